"""Fetches the fonts of recipes/pretrain_glyphs.toml: pinned Debian 12 and npm packages, OFL or Apache only.

    python recipes/fetch_glyph_fonts.py FOLDER

needs apt-get and dpkg-deb (Debian or Ubuntu with Debian 12's archive) and npm; about 250 MB, two minutes.
Which packages, which versions, their sha256 and their licences: recipes/glyph_fonts.tsv. The font files
go into FOLDER as they are, with `fonts.json`: for each file its package, version, licence and sha256.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

LIST = Path(__file__).with_name("glyph_fonts.tsv")
ENDINGS = (".otf", ".ttf", ".woff")


def main() -> None:
    """Fetch all packages of the list into the folder that the command line names."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with LIST.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    manifest: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        archives = {**debian(rows, Path(scratch)), **npm(rows, Path(scratch))}
        for row in rows:
            manifest |= install(row, checked(row, archives[row["package"]]), folder)
    text = json.dumps(dict(sorted(manifest.items())), indent=1)
    (folder / "fonts.json").write_text(text + "\n", encoding="utf-8")
    print(f"{len(manifest)} font files of {len(rows)} packages in {folder}")


def debian(rows: list[dict[str, str]], scratch: Path) -> dict[str, Path]:
    """Archives of the Debian packages by name."""
    wanted = [row for row in rows if row["source"] == "debian"]
    pins = [f"{row['package']}={row['version']}" for row in wanted]
    subprocess.run(["apt-get", "--quiet", "download", *pins], cwd=scratch, check=True)
    return {path.name.partition("_")[0]: path for path in scratch.glob("*.deb")}


def npm(rows: list[dict[str, str]], scratch: Path) -> dict[str, Path]:
    """Archives of the npm packages by name."""
    wanted = [row for row in rows if row["source"] == "npm"]
    pins = [f"{row['package']}@{row['version']}" for row in wanted]
    subprocess.run(["npm", "pack", "--silent", *pins], cwd=scratch, check=True, stdout=subprocess.DEVNULL)
    files = {row["package"]: row["package"].strip("@").replace("/", "-") for row in wanted}
    return {row["package"]: scratch / f"{files[row['package']]}-{row['version']}.tgz" for row in wanted}


def checked(row: dict[str, str], archive: Path) -> Path:
    """The archive, when it is the one that the list means."""
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != row["sha256"]:
        sys.exit(f"{archive.name} has sha256 {found}, the list says {row['sha256']}.")
    return archive


def install(row: dict[str, str], archive: Path, folder: Path) -> dict[str, dict[str, str]]:
    """Unpack the fonts of one package; what the manifest says of them, by file name."""
    said = {}
    with tempfile.TemporaryDirectory() as scratch:
        if archive.suffix == ".deb":
            subprocess.run(["dpkg-deb", "-x", str(archive), scratch], check=True)
        else:
            with tarfile.open(archive) as tar:
                tar.extractall(scratch, filter="data")
        for path in sorted(Path(scratch).rglob("*")):
            wanted = path.suffix in ENDINGS and path.is_file() and not path.is_symlink()
            if wanted and (row["files"] == "-" or re.fullmatch(row["files"], path.name)):
                shutil.copyfile(path, folder / path.name)
                said[path.name] = {
                    "package": row["package"],
                    "version": row["version"],
                    "licence": row["licence"],
                    "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                }
    return said


if __name__ == "__main__":
    main()
