"""Wrong input to the commands that judge and show: one clear sentence, exit 2, nothing written."""

import json
import shlex
from pathlib import Path

import pytest
from made_up import certificate, latency, parity, row
from real_bundle import exported

from cli.app import run
from compressor.bundle import names, write_bundle
from compressor.records import dump
from compressor.verify import model as model_checks

PUBLIC = "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n"


@pytest.fixture(scope="module")
def folder(honest: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a bundle, a fine policy, and everything that is neither."""
    here = tmp_path_factory.mktemp("inputs")
    write_bundle(here, "tiny", honest, rejected=False, force=False).rename(here / "bundle")
    only = {name: honest[name] for name in names.EXPORTED}
    write_bundle(here, "tiny", only, rejected=False, force=False).rename(here / "exported")
    (here / "fine.toml").write_bytes(honest[names.POLICY])
    (here / "a-file").write_text("x\n")
    (here / "binary").write_bytes(b"\xff\xfe\x00")
    (here / "empty.json").write_text("")
    (here / "list.json").write_text("[1]")
    (here / "half.json").write_text('{"schema": "compress.certificate/1"}')
    (here / "deep.json").write_text("[" * 100_000)
    (here / "certificate.json").write_bytes(dump(certificate()))
    (here / "verdict.json").write_bytes(honest[names.VERDICT])
    for name, record in (("parity", parity()), ("latency", latency(rows=(row(p50_ms=77.5),)))):
        text = dump(record).decode().replace('"agreement": 1.0', '"agreement": NaN').replace("77.5", "Infinity")
        (here / f"nan-{name}.json").write_text(text)
    more = json.loads(dump(parity()))
    (here / "more.json").write_text(json.dumps(more | {"trusted": True}))
    (here / "empty-folder").mkdir()
    (here / "above").mkdir()
    (here / "above" / "bundle").mkdir()
    (here / "dangling").symlink_to("nowhere")
    (here / "release.pub").write_text(PUBLIC)
    (here / "release.key").write_text(PUBLIC.replace("PUBLIC", "PRIVATE"))
    return here


CASES = [
    ("verify", "BUNDLE"),
    ("verify a-file", "a-file is not a folder"),
    ("verify dangling", "dangling is not a folder"),
    ("verify empty-folder", "holds none of a bundle's files"),
    ("verify above", "not the one above it"),
    ("verify bundle/model.onnx", "is not a folder"),
    ("verify bundle another", "another"),
    ("verify bundle --policy absent.toml", "absent.toml"),
    ("verify bundle --policy bundle", "Is a directory"),
    ("verify bundle --policy binary", "not text in UTF-8"),
    ("verify bundle --policy certificate.json", "is not TOML"),
    ("verify bundle --policy a-file", "is not TOML"),
    ("verify bundle --expect-digest ''", "is not a sha256"),
    ("verify bundle --expect-digest 8f14e45f", "all 64 hex digits"),
    (f"verify bundle --expect-digest md5:{'0' * 32}", "is not a sha256"),
    (f"verify bundle --expect-digest {'x' * 64}", "is not a sha256"),
    ("verify bundle --public-key absent.pub", "absent.pub"),
    ("verify bundle --public-key bundle", "Is a directory"),
    ("verify bundle --public-key a-file", "openssl pkey"),
    ("verify bundle --public-key release.key", "is a private key"),
    ("verify bundle --public-key release.pub", "docs/signing.md"),
    ("verify bundle --recheck -1", "--recheck"),
    ("verify bundle --recheck many", "--recheck"),
    ("verify bundle --recheck 5", "--data"),
    ("verify bundle --data nowhere", "nowhere"),
    ("verify bundle --data empty-folder", "empty-folder"),
    ("verify bundle --data digitz", "digits"),
    ("verify bundle --seed -1", "--seed"),
    ("verify bundle --device tpu", "tpu"),
    ("verify bundle --device cuda:9", "cuda:9"),
    ("verify bundle --arch nonsense", "nonsense"),
    ("verify bundle --arch cifar:resnet9", "resnet9"),
    ("verify bundle --arch torchvision:resnet81", "resnet81"),
    ("verify bundle --arch absent.py:make", "absent.py: there is no such file"),
    ("verify bundle --time-limit soon", "soon"),
    ("verify bundle --config absent.toml", "absent.toml"),
    ("verify bundle --polcy fine.toml", "--policy"),
    ("gate", "compress gate BUNDLE --policy policy.toml"),
    ("gate bundle", "no policy was named"),
    ("gate bundle --policy", "--policy"),
    ("gate bundle --policy absent.toml", "compress gate --init"),
    ("gate bundle --policy bundle", "Is a directory"),
    ("gate bundle --policy binary", "not text in UTF-8"),
    ("gate a-file --policy fine.toml", "a-file is not JSON"),
    ("gate binary --policy fine.toml", "binary is not JSON"),
    ("gate empty.json --policy fine.toml", "empty.json is not JSON"),
    ("gate deep.json --policy fine.toml", "deep.json is not JSON"),
    ("gate list.json --policy fine.toml", "list.json is no record"),
    ("gate half.json --policy fine.toml", "created: field required"),
    ("gate more.json --policy fine.toml", "trusted"),
    ("gate bundle nan-parity.json --policy fine.toml", "nan-parity.json is not a Parity record: agreement"),
    ("gate bundle nan-latency.json --policy fine.toml", "nan-latency.json is not a Latency record: rows.0.p50_ms"),
    ("gate verdict.json --policy fine.toml", "which is no evidence"),
    ("gate bundle certificate.json --policy fine.toml", "two different certificates"),
    ("gate dangling --policy fine.toml", "there is no dangling"),
    ("gate empty-folder --policy fine.toml", "empty-folder holds no certificate.json"),
    ("gate above --policy fine.toml", "above holds no certificate.json"),
    ("gate bundle --policy fine.toml --format pdf", "text, json, markdown, junit"),
    ("gate bundle --policy fine.toml --json --format junit", "two formats"),
    ("gate bundle --policy fine.toml --previous absent", "absent is not a folder"),
    ("gate bundle --policy fine.toml --previous exported", "holds no verdict"),
    ("gate bundle --policy fine.toml --unsafe-accept nothing --because x", "names no condition"),
    ("gate bundle --policy fine.toml --unsafe-accept parity.decision", "--because"),
    ("gate bundle --policy fine.toml --because x", "--unsafe-accept"),
    ("gate bundle --policy fine.toml -o verdict.pdf", ".pdf"),
    ("gate bundle --policy fine.toml -o a-file/verdict.txt", "a-file"),
    ("gate --explain nonsense", "nonsense"),
    ("gate --explain ''", "copy an id from a verdict"),
    ("gate --init", "no evidence was named"),
    ("gate bundle --init -o policy.json", ".toml"),
    ("gate bundle --init -o fine.toml", "fine.toml exists already"),
    ("report", "EVIDENCE"),
    ("report absent", "there is no absent"),
    ("report dangling", "there is no dangling"),
    ("report a-file", "a-file is not JSON"),
    ("report list.json", "list.json is no record"),
    ("report half.json", "half.json"),
    ("report empty-folder", "empty-folder"),
    ("report above", "above"),
    ("report bundle certificate.json", "two different certificates"),
    ("report bundle exported certificate.json", "certificate.json was named beside 2 bundles"),
    ("report bundle exported --format junit", "is about one bundle"),
    ("report bundle exported --format attestation", "is about one bundle"),
    ("report bundle empty-folder", "empty-folder"),
    ("report bundle --format pdf", "text, markdown, html, junit, attestation"),
    ("report bundle --format html -o report.pdf", ".html"),
    ("report bundle -o a-file/report.txt", "a-file"),
    ("report certificate.json --format junit", "a verdict"),
    ("report certificate.json --format attestation", "a verdict"),
    ("config nonsense", "known: inspect"),
    ("config release another", "another"),
    ("config --config absent.toml", "absent.toml"),
    ("config --config binary", "binary is not TOML"),
    ("config --config bundle", "bundle is not a file"),
    ("config --config a-file", "a-file is not TOML"),
    ("doctor another", "another"),
    ("doctor --config absent.toml", "absent.toml"),
    ("doctor --jsn", "--json"),
    ("demo another", "another"),
    ("demo --seed -1", "--seed"),
    ("demo --seed x", "--seed"),
    ("demo -o a-file", "a-file"),
    ("demo -o a-file/deeper", "--output"),
    ("demo --work-dir a-file", "--work-dir"),
    ("demo --time-limit soon", "write 90s, 25m or 2h"),
    ("demo --time-limit 0s", "above zero"),
    ("demo --ratio 0.5", "--ratio"),
    ("demo --config binary", "binary is not TOML"),
]


@pytest.mark.parametrize(("line", "part"), CASES, ids=[line for line, _ in CASES])
def test_bad_input_teaches(
    line: str, part: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2, one sentence that names what is wrong, no traceback, nothing on stdout and nothing left behind."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", str(folder / "empty-folder"))
    monkeypatch.setattr(model_checks, "export_onnx", exported)  # once for all lines: it takes seconds
    before = sorted(path.name for path in folder.rglob("*"))
    assert run(shlex.split(line)) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    said = [text for text in shown.err.splitlines() if not text.startswith(("verify", "  verify"))]
    assert said[0].startswith("error: ")
    assert len(said) <= 2
    assert part in shown.err
    assert "Traceback" not in shown.err
    assert sorted(path.name for path in folder.rglob("*")) == before
