"""Signatures of OpenSSH (`ssh-keygen -Y`), which hold the key, the agent and the passphrase.

Format: https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.sshsig
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from asd.errors import DataError, ParamsError

NAMESPACE = "asd-audit"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_KEY_TYPE = re.compile(r"(sk-)?(ssh|ecdsa)-[a-z0-9@.-]+")
_GOOD = re.compile(r'Good "asd-audit" signature .*with \S+ key (SHA256:\S+)')
_LONGEST = 40_000  # of a signature; RSA with 16384 bits has 6,000
_LARGEST_SIGNERS = 2**20
_ANYBODY = "asd-signer"
_SECONDS = 60


def sign(payload: bytes, key: Path) -> str:
    """Sign with a private key, or with the agent where `key` is the public half; base64.

    Raises:
        ParamsError: no such key, a wrong passphrase, or OpenSSH is not there.
    """
    if not key.is_file():
        raise ParamsError(f"--key {key}: no such file")
    done = _ssh("-Y", "sign", "-q", "-f", str(key.absolute()), "-n", NAMESPACE, payload=payload, timeout=None)
    lines = done.stdout.decode("ascii", errors="replace").splitlines()
    if done.returncode or lines[:1] != [_BEGIN] or lines[-1:] != [_END]:
        raise ParamsError(f"--key {key}: ssh-keygen could not sign: {_last(done.stderr)}")
    return "".join(lines[1:-1])


def signed_by(payload: bytes, signature: str) -> str | None:
    """Fingerprint of the key that made a signature, whoever it belongs to; None if it does not fit."""
    with _armoured(signature) as file:
        done = _ssh("-Y", "check-novalidate", "-n", NAMESPACE, "-s", str(file), payload=payload)
    good = _GOOD.search(done.stdout.decode(errors="replace"))
    return good[1] if good and done.returncode == 0 else None


@dataclass(frozen=True)
class Signers:
    """Keys that somebody trusts.

    Attributes:
        named: texts of allowed_signers files, which say whose key each is.
        keys: bare public keys; they say nothing of names.
    """

    named: tuple[str, ...]
    keys: tuple[str, ...]

    def know(self, payload: bytes, signature: str, name: str, at: str) -> bool:
        """Whether the signature fits and is by a key of `name`.

        Args:
            at: when it says that it was made, `2026-01-31T12:00:00Z`; a key that is limited in
                time must have held then.
        """
        bare = "".join(f"{_ANYBODY} {key}\n" for key in self.keys)
        tries = [(text, name) for text in self.named] + ([(bare, _ANYBODY)] if bare else [])
        return any(_verified(payload, signature, text, who, at) for text, who in tries)


def _verified(payload: bytes, signature: str, signers: str, name: str, at: str) -> bool:
    moment = re.sub(r"[^0-9]", "", at)
    with _armoured(signature) as file:
        allowed = file.with_name("signers")
        allowed.write_text(signers, encoding="utf-8")
        done = _ssh(
            *("-Y", "verify", "-f", str(allowed), "-I", name, "-n", NAMESPACE),
            *("-s", str(file), f"-Overify-time={moment}"),
            payload=payload,
        )
    return done.returncode == 0


def read_signers(paths: Sequence[Path]) -> Signers:
    """Read allowed_signers files (see ssh-keygen(1)) and public keys.

    Raises:
        ParamsError: missing, or neither of the two.
    """
    named, keys = [], []
    for path in paths:
        try:
            with path.open("rb") as stream:
                text = stream.read(_LARGEST_SIGNERS + 1).decode("utf-8")
        except UnicodeDecodeError as error:
            raise ParamsError(f"--signers {path} is no text file") from error
        except OSError as error:
            raise ParamsError(f"--signers {path}: {os.strerror(error.errno or 0)}") from error
        if "PRIVATE KEY-----" in text:
            raise ParamsError(f"--signers {path} is a private key; give the public one, {path}.pub")
        lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        if not lines or len(text) > _LARGEST_SIGNERS:
            raise ParamsError(f"--signers {path} holds no key, or is too large")
        bare = [line for line in lines if _KEY_TYPE.fullmatch(line.split()[0])]
        if bare and len(bare) != len(lines):
            raise ParamsError(f"--signers {path}: some lines have a name in front and some have not")
        for line in lines:
            if not any(_KEY_TYPE.fullmatch(word) for word in line.split()):
                raise ParamsError(f"--signers {path}: no SSH public key in the line {line[:60]!r}")
        keys += [" ".join(line.split()[:2]) for line in bare]
        named += [] if bare else [text]
    return Signers(tuple(named), tuple(keys))


def check_signature(text: str) -> None:
    """Refuse a signature that could be written in another way and still hold.

    Raises:
        DataError: no base64 as we write it, or too long.
    """
    try:
        same = base64.b64encode(base64.b64decode(text, validate=True)).decode() == text
    except (binascii.Error, ValueError):
        same = False
    if not same or not text or len(text) > _LONGEST:
        raise DataError("the signature is not base64 as asd writes it")


@contextlib.contextmanager
def _armoured(signature: str) -> Iterator[Path]:
    lines = [signature[i : i + 70] for i in range(0, len(signature), 70)]
    with tempfile.TemporaryDirectory(prefix="asd-signature-") as folder:
        file = Path(folder) / "signature"
        file.write_text("\n".join([_BEGIN, *lines, _END, ""]))
        yield file


def _ssh(*words: str, payload: bytes, timeout: float | None = _SECONDS) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
    command = ["ssh-keygen", *words]
    try:
        return subprocess.run(
            command, input=payload, capture_output=True, env=environment, timeout=timeout, check=False
        )
    except FileNotFoundError as error:
        raise ParamsError("ssh-keygen is not installed; it comes with OpenSSH (openssh-client)") from error
    except subprocess.TimeoutExpired as error:
        raise DataError(f"ssh-keygen gave no answer within {timeout:g} s") from error


def _last(text: bytes) -> str:
    lines = [line.strip() for line in text.decode(errors="replace").splitlines() if line.strip()]
    return "".join(c if c.isprintable() else "?" for c in (lines or ["no message"])[-1])
