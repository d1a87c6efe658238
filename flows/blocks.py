"""Prefect blocks of asd: `prefect block register -m flows.blocks`."""

from __future__ import annotations

from prefect.blocks.notifications import AppriseNotificationBlock
from pydantic import Field, SecretStr


class Email(AppriseNotificationBlock):
    """Sends notifications as e-mail through any SMTP server.

    Attributes:
        url: `mailtos://USER:PASSWORD@HOST:587?from=ADDRESS&to=ADDRESS`, as Apprise reads it.
    """

    _block_type_name = "E-mail (asd)"
    _block_type_slug = "asd-email"

    url: SecretStr = Field(description="mailtos://USER:PASSWORD@HOST:587?from=ADDRESS&to=ADDRESS")
