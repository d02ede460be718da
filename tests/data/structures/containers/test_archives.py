"""Archives of structure files: their crystals are those of the unpacked files, and nothing leaves the archive."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from support.rocksalt import CIFS, POSCARS

from zoo.data.crystal import Crystal
from zoo.data.structures.containers import archives
from zoo.data.structures.containers.archives import is_archive, open_archive, read_members, structure_lookup
from zoo.data.structures.parse import parse
from zoo.errors import InputError

FILES = {
    "cifs/NaCl.cif": CIFS["NaCl"].encode(),
    "cifs/KCl.cif.gz": gzip.compress(CIFS["KCl"].encode()),
    "cifs/deeper/POSCAR": POSCARS["MgO"].encode(),
    "cifs/broken.cif": b"nothing",
    "cifs/README.md": b"# read me",
    "cifs/.hidden.cif": b"",
    "__MACOSX/cifs/._NaCl.cif": b"\x00\x05",
}
ENDINGS = {".zip": "", ".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz"}


def pack(path: Path, files: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            file.mkdir("cifs")
            for name, data in files.items():
                file.writestr(name, data)
        return path
    mode = next(mode for ending, mode in ENDINGS.items() if path.name.endswith(ending))
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("ending", ENDINGS)
def test_crystals_are_those_of_the_unpacked_files(tmp_path: Path, ending: str) -> None:
    archive = open_archive(pack(tmp_path / f"data{ending}", FILES))
    assert is_archive(archive.path.name)
    assert list(archive.members.values()) == ["NaCl", "KCl", "POSCAR", "broken"]
    assert archive.others == ["cifs/README.md"]
    found = dict(read_members(archive))
    for name, text in (("NaCl.cif", CIFS["NaCl"]), ("KCl.cif.gz", CIFS["KCl"]), ("deeper/POSCAR", POSCARS["MgO"])):
        crystal = found[f"cifs/{name}"]
        assert isinstance(crystal, Crystal)
        assert crystal.digest == parse(text).digest
    assert str(found["cifs/broken.cif"]) == "broken CIF: no line begins with data_"
    assert [name for name, _ in read_members(archive, lambda name: name.endswith("POSCAR"))] == ["cifs/deeper/POSCAR"]


def test_equal_names_are_told_apart_and_the_same_name_twice_is_refused(tmp_path: Path) -> None:
    salt = CIFS["NaCl"].encode()
    archive = open_archive(pack(tmp_path / "a.zip", {"one/x.cif": salt, "two/x.cif": salt, "two/y.cif": salt}))
    assert list(archive.members.values()) == ["one/x.cif", "two/x.cif", "y"]
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(archive.path, "a") as file:
        file.writestr("two/y.cif", CIFS["KCl"])
    found = list(read_members(open_archive(archive.path)))
    assert [str(each) for name, each in found if name == "two/y.cif"] == ["the archive has it twice"] * 2


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
@pytest.mark.parametrize("name", ["../x.cif", "/etc/x.cif", "a/../../x.cif", "..\\x.cif", "C:\\x.cif", "../README.md"])
def test_a_member_that_leads_out_is_refused(tmp_path: Path, ending: str, name: str) -> None:
    path = pack(tmp_path / f"a{ending}", {"good.cif": CIFS["NaCl"].encode(), name: CIFS["NaCl"].encode()})
    with pytest.raises(InputError, match="leads out of the archive; zoo does not read it"):
        open_archive(path)


def test_names_outside_any_folder_do_not_depend_on_where_one_stands(tmp_path: Path) -> None:
    files = {"a.cif": CIFS["NaCl"].encode(), "sub/a.cif": CIFS["KCl"].encode()}
    archive = open_archive(pack(tmp_path / "x.tar", files))
    assert list(archive.members.values()) == ["x.tar/a.cif", "sub/a.cif"]


def test_links_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.cif"
    secret.write_text(CIFS["NaCl"])
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo(f"link{kind.decode()}.cif")
            info.type, info.linkname = kind, str(secret)
            tar.addfile(info)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        link = zipfile.ZipInfo("soft.cif")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, str(secret))
    for name, count in (("a.tar", 3), ("a.zip", 1)):
        found = list(read_members(open_archive(tmp_path / name)))
        assert [str(each) for _, each in found] == ["a link, not a file"] * count


@pytest.mark.parametrize("ending", [".zip", ".tar.gz", ".tar.xz"])
def test_bombs_are_refused_in_one_line(tmp_path: Path, ending: str) -> None:
    """60 MB of zeros in 60 kB, where CIFs would take 6 MB."""
    path = pack(tmp_path / f"a{ending}", {"x.cif": b"0" * 60_000_000})
    with pytest.raises(InputError, match=r"unpacks to more than 50 MB, from 0\.0\d+ MB; not an archive of structure f"):
        open_archive(path)


def test_too_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    path = pack(tmp_path / "a.zip", {f"{i}.cif": b"x" for i in range(4)})
    with pytest.raises(InputError, match="more than 3 members"):
        open_archive(path)


def test_damaged_encrypted_and_empty_archives(tmp_path: Path) -> None:
    for ending in ENDINGS:
        path = pack(tmp_path / f"a{ending}", FILES)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        with pytest.raises(InputError, match=r"a\.\S+: not an archive that can be read \(\w+\)$"):
            list(read_members(open_archive(path)))
    path = pack(tmp_path / "b.zip", {"a.cif": CIFS["NaCl"].encode(), "b.cif": CIFS["KCl"].encode()})
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1  # the last member's flag in the directory says that it is encrypted
    data[data.rindex(b"PK\x03\x04") + 6] |= 1
    path.write_bytes(data)
    first, second = read_members(open_archive(path))
    assert isinstance(first[1], Crystal)
    assert str(second[1]) == "the file is encrypted"
    with pytest.raises(InputError, match=r"no structure file in this archive \(.*\); it holds notes\.md$"):
        open_archive(pack(tmp_path / "c.zip", {"notes.md": b"", "__MACOSX/._a.cif": b""}))


@pytest.mark.parametrize("damage", ["broken header", "cut before a member", "cut in a header"])
def test_a_damaged_tar_does_not_end_at_the_damage(tmp_path: Path, damage: str) -> None:
    path = pack(tmp_path / "a.tar", {f"{name}.cif": cif.encode() for name, cif in CIFS.items()})
    data = path.read_bytes()
    start = data.index(b"KCl.cif\0")
    assert start > 0
    if damage == "broken header":
        data = data[: start + 148] + b"777777" + data[start + 154 :]  # the checksum
    else:
        data = data[: start + (0 if damage == "cut before a member" else 200)]
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"a\.tar: not an archive that can be read \(ReadError\)$"):
        open_archive(path)


def test_a_member_without_a_name(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {".": b"x", "NaCl.cif": CIFS["NaCl"].encode()})
    assert list(open_archive(path).members) == ["NaCl.cif"]


def test_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    for ending in ENDINGS:
        list(read_members(open_archive(pack(tmp_path / f"a{ending}", FILES))))
    assert list(Path.cwd().iterdir()) == []


def test_files_are_looked_up_by_name_in_a_folder_or_a_zip(tmp_path: Path) -> None:
    files = {**FILES, "cifs/deeper/KCl.vasp": POSCARS["KCl"].encode()}
    for name, data in {"NaCl.cif": CIFS["NaCl"].encode(), "broken.cif": b"nothing"}.items():
        (tmp_path / name).write_bytes(data)
    for find in (structure_lookup(tmp_path), structure_lookup(pack(tmp_path / "a.zip", files))):
        assert find("NaCl").digest == find("NaCl.cif").digest == parse(CIFS["NaCl"]).digest
        with pytest.raises(InputError, match="no line begins with data_"):
            find("broken")
        with pytest.raises(InputError, match=r"no structure file: MgO \(\.cif, .*\) is not in "):
            find("MgO")
    assert find("POSCAR").chemsys == "Mg-O"
    assert find("cifs/KCl.cif.gz").digest == parse(CIFS["KCl"]).digest
    with pytest.raises(InputError, match=r"several structure files: KCl may be cifs/KCl\.cif\.gz or cifs/deeper/KCl"):
        find("KCl")
    with pytest.raises(InputError, match=r"can be looked up in a folder or a \.zip; unpack it"):
        structure_lookup(pack(tmp_path / "a.tar", files))
