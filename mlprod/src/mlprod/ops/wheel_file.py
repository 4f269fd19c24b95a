"""A wheel of the library as bytes, the same on every Python: stored and not deflated, with one timestamp.

Standard library only, and without a relative import: the template's build_wheel.py runs this file by its path.
"""

import base64
import hashlib
import io
import zipfile

EPOCH = (1980, 1, 1, 0, 0, 0)


def wheel_name(version: str) -> str:
    """The file name of the library's wheel."""
    return f"mlprod-{version}-py3-none-any.whl"


def info_folder(version: str) -> str:
    """The folder of the metadata inside the wheel."""
    return f"mlprod-{version}.dist-info"


def record(files: dict[str, bytes], version: str) -> bytes:
    """RECORD: name, checksum and size of every file."""
    lines = []
    for name, data in files.items():
        checksum = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={checksum},{len(data)}")
    return "\n".join([*lines, f"{info_folder(version)}/RECORD,,", ""]).encode()


def wheel_bytes(files: dict[str, bytes], version: str) -> bytes:
    """The wheel of these files, which hold no RECORD, in their order."""
    content = files | {f"{info_folder(version)}/RECORD": record(files, version)}
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, data in content.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16  # as on Unix, wherever it is built
            archive.writestr(entry, data)
    return target.getvalue()
