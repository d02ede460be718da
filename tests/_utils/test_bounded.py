"""JSON and YAML from outside, within bounds."""

from __future__ import annotations

import gzip
import json
import time
from typing import TYPE_CHECKING

import pytest
import yaml

from zoo._utils.bounded import MalformedError, parse_json, parse_yaml, read_bytes, read_json

if TYPE_CHECKING:
    from pathlib import Path


SIXTY_THOUSAND_KEYS = ", ".join(f'"{number}": 0' for number in (*range(60_000), 59_999))


@pytest.mark.parametrize("value", [None, True, "é\u202e", [1, -2.5, 1e300, 2**62], {"a": {"b": [[]]}}, {}, "", 0])
def test_what_is_sound_is_read_as_it_is(value: object) -> None:
    assert parse_json(json.dumps(value).encode()) == value
    assert parse_json("\ufeff".encode() + json.dumps(value, ensure_ascii=False).encode()) == value
    assert parse_yaml(yaml.safe_dump(value, allow_unicode=True)) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is not JSON (line 1, column 1"),
        ('{"a": 1,\n "b" 2}', "it is not JSON (line 2, column 6"),
        ('{"a": 1, "a": 2}', "the key 'a' is given twice"),
        ("[NaN]", "the number NaN is not finite"),
        ("[-Infinity]", "the number -Infinity is not finite"),
        ("[1e999]", "the number 1e999 is not finite"),
        ("1" + "0" * 400, "the number 100000000000… is out of range"),
        ("1" * 100_000, "is out of range"),
        ("[" * 33 + "]" * 33, "it is nested more than 32 levels deep"),
        ("[" * 500_000, "it is nested more than 32 levels deep"),
        ('{"a":' * 100_000, "it is nested more than 32 levels deep"),
        (" " * 1_000_001, "it is larger than 1,000,000 bytes"),
        (f"{{{SIXTY_THOUSAND_KEYS}}}", "the key '59999' is given twice"),
    ],
    ids=range(13),
)
def test_json_out_of_bounds(text: str, said: str) -> None:
    began = time.process_time()
    with pytest.raises(MalformedError) as caught:
        parse_json(text)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 200
    assert time.process_time() - began < 1


def test_one_faulty_number_among_many_can_be_left_out() -> None:
    text = f'[{{"a": 1{"0" * 400}, "b": NaN, "c": 1e999, "d": 2, "d": 3}}]'
    assert parse_json(text, lenient=True) == [{"a": None, "b": None, "c": None, "d": 3}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1", "it is not YAML at line"),
        ("a: 1\nb: 2\na: 3", "the key 'a' is given twice (line 1)"),
        ("a: &x 1\nb: *x", "YAML aliases (*x), which zoo does not read"),
        ("a: 1\nb: .nan", "the number nan is not finite (line 2)"),
        ("a: -.inf", "the number -inf is not finite (line 1)"),
        ("a: 1.0e+999", "is not finite (line 1)"),
        ("a: 1" + "0" * 400, "is out of range (line 1)"),
        ("a: 0x" + "f" * 60, "is out of range (line 1)"),
        ("a: !!python/object/apply:os.system [ls]", "the YAML tag tag:yaml.org,2002:python/object/apply:os.system"),
        ("a: !!int x", "'x' is not a number"),
        ("a: !!float x", "'x' is not a number"),
        ("a: !!bool x", "'x' is not a truth value"),
        ("a: !!map x", "a YAML tag does not fit its value"),
        ("a: !!binary x", "is not read (line 1)"),
        ("a: !other x", "the YAML tag !other is not read"),
        ("? [1]\n: 2", "a key must be a single value"),
        ("--- 1\n--- 2", "it is not YAML at line 2"),
        ("a: \x00", "a character that YAML forbids"),
        ("- " * 100_000, "nested more than 32 levels deep"),
        ("[" * 100_000, "nest"),
        ("{a: " * 100_000, "nest"),
        ("#" * 1_000_001, "it is larger than 1,000,000 bytes"),
        (f"{{{SIXTY_THOUSAND_KEYS[:400_000].rpartition(',')[0]}, '0': 0}}", "the key '0' is given twice"),
        (f"[{'a,' * 200_000}]", "it has more than 100,000 keys and values"),
    ],
    ids=range(24),
)
def test_yaml_out_of_bounds(text: str, said: str) -> None:
    began = time.process_time()
    with pytest.raises(MalformedError) as caught:
        parse_yaml(text)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 200
    assert time.process_time() - began < 5


def test_numbers_to_the_base_60_and_dates_stay_text() -> None:
    long = "1:" * 100_000 + "1"
    began = time.process_time()
    assert parse_yaml(f"a: {long}\nb: 1:30\nc: 1:30.5\nd: 2021-99-99\ne: 2021-02-03") == {
        "a": long,
        "b": "1:30",
        "c": "1:30.5",
        "d": "2021-99-99",
        "e": "2021-02-03",
    }
    assert time.process_time() - began < 2


def test_numbers_of_every_form_that_yaml_has() -> None:
    assert parse_yaml("[0x1F, -0x10, 010, 0b11, 1_000, .5, 1.e+3, +7, No, ON, ~]") == [
        31, -16, 8, 3, 1000, 0.5, 1000.0, 7, False, True, None,
    ]  # fmt: skip


def test_messages_name_the_line_of_the_file() -> None:
    with pytest.raises(MalformedError, match=r"\(line 12\)"):
        parse_yaml("a: 1\nb: .nan", first_line=11)


def test_files(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": 1}')
    assert read_json(tmp_path / "a.json") == {"a": 1}
    assert read_bytes(tmp_path / "a.json", 8) == b'{"a": 1}'
    with pytest.raises(MalformedError, match="it is larger than 7 bytes"):
        read_bytes(tmp_path / "a.json", 7)
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b"[1, 2]"))
    assert read_json(tmp_path / "a.json.gz") == [1, 2]
    (tmp_path / "bomb.json.gz").write_bytes(gzip.compress(bytes(20_000_000)))
    with pytest.raises(MalformedError, match="it is larger than 1,000,000 bytes"):
        read_json(tmp_path / "bomb.json.gz")
    (tmp_path / "cut.json.gz").write_bytes(gzip.compress(b"[1, 2]")[:-4])
    with pytest.raises(MalformedError, match="it is not a whole gzip file"):
        read_json(tmp_path / "cut.json.gz")
    (tmp_path / "none.json.gz").write_bytes(b"[1, 2]")
    with pytest.raises(MalformedError, match="it is not a whole gzip file"):
        read_json(tmp_path / "none.json.gz")
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "nowhere.json")
