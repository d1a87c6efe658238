"""Signatures by ssh-keygen: whose they are, and what people mistype."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from asd.audit.evidence import ssh
from asd.errors import DataError, ParamsError

AT = "2026-06-01T12:00:00Z"


def make_key(folder: Path, name: str, kind: str = "ed25519", passphrase: str = "") -> Path:
    file = folder / name
    words = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", f"{name}@host", "-f", file]
    subprocess.run(words, check=True)
    return file


def signers(folder: Path, text: str) -> ssh.Signers:
    file = folder / "allowed_signers"
    file.write_text(text)
    return ssh.read_signers([file])


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_signature_is_over_these_bytes_by_this_key(tmp_path: Path, kind: str) -> None:
    key, other = make_key(tmp_path, "ada", kind), make_key(tmp_path, "eve")
    signature = ssh.sign(b"decision", key)
    ssh.check_signature(signature)
    listed = subprocess.run(["ssh-keygen", "-lf", f"{key}.pub"], capture_output=True, text=True, check=True)
    assert ssh.signed_by(b"decision", signature) == listed.stdout.split()[1]
    assert ssh.signed_by(b"decisioN", signature) is None
    bare = ssh.read_signers([tmp_path / "ada.pub"])
    assert bare.know(b"decision", signature, "any name", AT)
    assert not bare.know(b"decisioN", signature, "any name", AT)
    assert not ssh.read_signers([tmp_path / "eve.pub"]).know(b"decision", signature, "eve", AT)
    assert ssh.read_signers([other.with_suffix(".pub"), tmp_path / "ada.pub"]).know(
        b"decision", signature, "", AT
    )


def test_an_allowed_signers_file_binds_the_name_the_purpose_and_the_time(tmp_path: Path) -> None:
    key = make_key(tmp_path, "ada")
    public = key.with_suffix(".pub").read_text()
    signature = ssh.sign(b"decision", key)
    know = lambda text, name: signers(tmp_path, text).know(b"decision", signature, name, AT)  # noqa: E731
    assert know(f"# people\n\nada {public}", "ada")
    assert know(f'"Ada Lovelace" {public}', "Ada Lovelace")
    assert not know(f"ada {public}", "ben")
    assert not know(f'ada namespaces="git" {public}', "ada")
    assert know(f'ada namespaces="git,asd-audit" {public}', "ada")
    assert know(f'ada valid-after="20260101",valid-before="20270101" {public}', "ada")
    assert not know(f'ada valid-before="20260101" {public}', "ada")


def test_a_signature_for_another_purpose_is_none(tmp_path: Path) -> None:
    key = make_key(tmp_path, "ada")
    words = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", "git"]
    done = subprocess.run(words, input=b"decision", capture_output=True, check=True)
    signature = "".join(done.stdout.decode().splitlines()[1:-1])
    assert ssh.signed_by(b"decision", signature) is None
    assert not ssh.read_signers([tmp_path / "ada.pub"]).know(b"decision", signature, "ada", AT)


@pytest.mark.parametrize("text", ["", "!", "QQ", "QR==", "QQ==\n", " QQ==", "Q" * 50_000, "Q-_="])
def test_a_signature_has_one_spelling(text: str) -> None:
    with pytest.raises(DataError, match="base64"):
        ssh.check_signature(text)


def test_bytes_that_are_no_signature(tmp_path: Path) -> None:
    for raw in (b"SSHSIG", b"x" * 300, b"SSHSIG" + bytes(200)):
        assert ssh.signed_by(b"decision", base64.b64encode(raw).decode()) is None


def test_keys_that_cannot_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("SSH_ASKPASS", "/bin/false")
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    with pytest.raises(ParamsError, match="no such file"):
        ssh.sign(b"", tmp_path / "none")
    locked = make_key(tmp_path, "locked", passphrase="secret words")
    word = tmp_path / "word"
    word.write_text("not a key")
    word.chmod(0o600)
    for key in (locked, word, locked.with_suffix(".pub")):
        with pytest.raises(ParamsError, match="ssh-keygen could not sign: ") as caught:
            ssh.sign(b"", key)
        assert len(str(caught.value).splitlines()) == 1


def test_an_agent_can_hold_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    socket = tmp_path / "s"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.PIPE) as agent:
        try:
            assert agent.stdout is not None
            agent.stdout.readline()
            monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
            key = make_key(tmp_path, "ada")
            subprocess.run(["ssh-add", "-q", str(key)], check=True)
            key.unlink()
            signature = ssh.sign(b"decision", key.with_suffix(".pub"))
            assert ssh.read_signers([key.with_suffix(".pub")]).know(b"decision", signature, "ada", AT)
        finally:
            agent.terminate()


def test_files_that_hold_no_signers(tmp_path: Path) -> None:
    key = make_key(tmp_path, "ada")
    public = key.with_suffix(".pub").read_text()
    for content, why in (
        (key.read_text(), "is a private key; give the public one"),
        ("", "holds no key"),
        ("# nobody\n", "holds no key"),
        ("ada and ben\n", "no SSH public key in the line"),
        (f"{public}ada {public}", "some lines have a name"),
    ):
        file = tmp_path / "given"
        file.write_text(content)
        with pytest.raises(ParamsError, match=why):
            ssh.read_signers([file])
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(ParamsError, match="--signers"):
            ssh.read_signers([path])
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ParamsError, match="no text file"):
        ssh.read_signers([tmp_path / "binary"])


def test_without_openssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = make_key(tmp_path, "ada")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ParamsError, match="ssh-keygen is not installed; it comes with OpenSSH"):
        ssh.sign(b"decision", key)
