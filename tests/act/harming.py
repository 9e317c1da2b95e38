"""What somebody between two jobs may do to a sealed release: a download-artifact that changes what it brings."""

from __future__ import annotations

import textwrap
from pathlib import Path

INDEX = """
const fs = require('fs'), path = require('path')
process.on('exit', () => {
  const dist = path.join(process.env.INPUT_PATH, 'dist.tar')
  if (!fs.existsSync(dist)) return
  require('child_process').execFileSync('python3', [path.join(__dirname, 'harm.py'), dist], {stdio: 'inherit'})
})
require('./honest.js')
"""
HARM = {
    "a byte of a binary": """
        data = bytearray(open(tar, "rb").read())
        data[data.index(b"\\x7fELF") + 5000] ^= 1
        open(tar, "wb").write(data)
    """,
    "a byte of the signature": """
        lines = files["SHA256SUMS.asc"].split(b"\\n")
        middle = next(i for i, line in enumerate(lines) if not line) + 1  # the armor's first line of data
        lines[middle] = lines[middle][:20] + (b"A" if lines[middle][20:21] != b"A" else b"B") + lines[middle][21:]
        files["SHA256SUMS.asc"] = b"\\n".join(lines)
        write()
    """,
    "a stranger's signature": """
        home = tempfile.mkdtemp(dir="/tmp")
        gpg = ["gpg", "--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
        subprocess.run([*gpg, "--quick-generate-key", "Stranger <stranger@users.example>", "ed25519", "sign"], check=True)
        signed = subprocess.run([*gpg, "--armor", "--detach-sign"], input=files["SHA256SUMS"], check=True, capture_output=True)
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)
        files["SHA256SUMS.asc"] = signed.stdout
        write()
    """,
}
BEGIN = """
import io, subprocess, sys, tarfile, tempfile
tar = sys.argv[1]
with tarfile.open(tar) as opened:
    members = opened.getmembers()
    files = {member.name: opened.extractfile(member).read() for member in members}

def write():
    with tarfile.open(tar, "w") as made:
        for member in members:
            member.size = len(files[member.name])
            made.addfile(member, io.BytesIO(files[member.name]))

"""


def download(folder: Path, honest: Path, harm: str) -> Path:
    """Write into `folder` the action in the folder `honest`, with that harm done to every dist.tar that it brings."""
    (folder / "action.yml").write_bytes((honest / "action.yml").read_bytes())
    (folder / "honest.js").write_bytes((honest / "index.js").read_bytes())
    (folder / "index.js").write_text(INDEX)
    (folder / "harm.py").write_text(BEGIN + textwrap.dedent(HARM[harm]))
    return folder
