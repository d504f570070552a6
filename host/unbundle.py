"""Bundles (a `.zip` of a session's files, see storage/bundle.py), unpacked into a store by its rules for files."""

import zipfile
import zlib

from host.store import MAX_JSON_BYTES, Address, Refused

SUFFIX = ".zip"
MAX_MEMBERS = 64
_CHUNK = 1 << 16


def unpack(store, bundle, max_bytes: int) -> list[tuple[str, int]]:
    """Stores every member of a received bundle, in its order. -> (file, bytes) of those that were not here before.

    `store`: a `Store` or an `ObjectStore`; `bundle`: its upload. Blocks. `Refused` as for a single file, of the first
    member that is: what came before it is stored, and found to be there when it is sent again.
    """
    stored = []
    try:
        with bundle.reader() as file, zipfile.ZipFile(file) as archive:
            for member in _members(archive, max_bytes):
                place = _place(store, bundle.place, member.filename)
                if _store(store, place, archive, member):
                    stored.append((place.file, member.file_size))
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, zlib.error) as error:
        raise Refused(400, f"{bundle.place.file} is no bundle that can be read: {error}") from None
    return stored


def _members(archive: zipfile.ZipFile, max_bytes: int) -> list[zipfile.ZipInfo]:
    members = archive.infolist()
    if len(members) > MAX_MEMBERS or sum(member.file_size for member in members) > max_bytes:
        raise Refused(413, f"a bundle holds at most {MAX_MEMBERS} files and {max_bytes} bytes")
    for member in members:
        if member.filename.endswith(".json") and member.file_size > MAX_JSON_BYTES:
            raise Refused(413, f"{member.filename}: {member.file_size} bytes, the limit is {MAX_JSON_BYTES}")
    return members


def _place(store, bundle: Address, name: str) -> Address:
    """A member's name is its path on the wire, `<device>/<session>/<file>`, of the bundle's own session."""
    parts = name.split("/")
    if parts[:-1] != [bundle.device, bundle.session] or name.endswith(SUFFIX):
        raise Refused(400, f"{bundle.file}: member {name!r} is no file of {bundle.device}/{bundle.session}")
    return store.place(*parts)


def _store(store, place: Address, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    """True: stored. False: the same bytes were here. zipfile checks length and CRC at the end of the member."""
    upload = store.upload(place)
    try:
        with archive.open(member) as source:
            while chunk := source.read(_CHUNK):
                upload.write(chunk)
        return store.publish(upload)
    finally:
        upload.discard()
