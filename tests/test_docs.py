"""Every page is typed as it stands; what is not is marked where readers see it."""

import re
import shlex
from pathlib import Path

import action
import pytest
import torch
import yaml
from docs_page import CODE, LIGHT, PAGES, ROOT, Reader, blocks, photos

from cli.app import COMMANDS, app
from cli.reference import page as reference
from compressor.certify.battery import read_battery
from compressor.demo import route
from compressor.gate.policy import parse_policy

ALL = [(page, block) for page in PAGES for block in blocks(page)]
RUN_ELSEWHERE = {("README.md", "python")}
"""The training loop, with the certificate that follows it: tests/test_readme.py."""
LANGUAGES = {"console", "toml", "yaml", "python", "sh"}


def _options(command: str) -> set[str]:
    import typer.main

    found = typer.main.get_command(app).commands[command].params  # type: ignore[attr-defined]
    return {name for parameter in found for name in (*parameter.opts, *parameter.secondary_opts)}


@pytest.mark.parametrize(("page", "block"), ALL, ids=lambda each: each.name if isinstance(each, Path) else None)
def test_blocks_are_run_or_say_why_not(page: Path, block) -> None:
    """A block has a language; one that is neither typed, nor read, nor the content of a file has its reason."""
    assert block.language in LANGUAGES
    is_typed = block.commands or block.file or (page.name, block.language) in RUN_ELSEWHERE
    assert block.not_run or is_typed or block.language in ("toml", "yaml")
    assert block.language != "console" or block.commands or block.not_run


def test_every_command_and_option_exists() -> None:
    """Also in blocks that are not run."""
    lines = [line for _, block in ALL for line in block.commands if "compress " in line]
    assert len(lines) >= 40
    for line in lines:
        words = shlex.split(line[line.index("compress ") :].split("|")[0].split(">")[0], comments=True)
        if words[1].startswith("-"):
            continue
        assert words[1] in COMMANDS, line
        options = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert options <= _options(words[1]), line


def test_policies_and_batteries_are_read(tmp_path: Path) -> None:
    """Each TOML block is a policy, or a list of attacks."""
    found = [block.text for _, block in ALL if block.language == "toml"]
    batteries = [text for text in found if text.startswith("[[attack]]")]
    assert len(batteries) == 1
    assert len(found) >= 6
    for text in found:
        if text in batteries:
            (tmp_path / "mine.toml").write_text(text)
            read_battery(str(tmp_path / "mine.toml"))
        else:
            parse_policy(text, "docs")


def test_workflows_name_what_the_action_takes() -> None:
    """YAML blocks parse, and give our action only inputs that it has, all that it requires among them."""
    known = yaml.safe_load((ROOT / "action.yml").read_text())["inputs"]
    needed = {name for name, each in known.items() if each.get("required")}
    used = [step for block in _workflows() for step in _steps(block) if "/compress@" in str(step.get("uses"))]
    assert used
    for step in used:
        assert needed <= step["with"].keys() <= known.keys()


def _workflows() -> list[dict]:
    found = [yaml.safe_load(block.text) for _, block in ALL if block.language == "yaml" and not block.not_run]
    return [each for each in found if "jobs" in each]


def _steps(workflow: dict) -> list[dict]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_jobs_extend_what_is_there() -> None:
    """A GitLab job in a YAML block names a file and a job that exist, and sets variables that the job has."""
    found = [yaml.safe_load(block.text) for _, block in ALL if block.language == "yaml" and "extends:" in block.text]
    assert found
    for pipeline in found:
        known = yaml.safe_load((ROOT / pipeline.pop("include")).read_text())
        for job in pipeline.values():
            assert job["variables"].keys() <= known[job["extends"]]["variables"].keys()


def test_links_lead_somewhere() -> None:
    """Every relative link is a file of this repository, and its anchor a heading of it."""
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            if "://" in target:
                continue
            name, _, anchor = target.partition("#")
            there = page if not name else page.parent / name
            assert there.exists(), f"{page.name}: {target}"
            headings = re.findall(r"^#+ (.+)$", there.read_text(), re.MULTILINE) if anchor else []
            assert not anchor or anchor in [each.lower().replace(" ", "-") for each in headings], target


def test_the_reference_is_up_to_date() -> None:
    """Nobody edited docs/reference.md by hand, and no option is missing from it: `make docs`."""
    assert (ROOT / "docs" / "reference.md").read_text() == reference()


def test_endings_are_told() -> None:
    """A line may promise a code of its own; only those that exist."""
    codes = {found[1] for _, block in ALL for line in block.commands if (found := CODE.search(line))}
    assert codes <= {"2", "3", "4"}


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, brief_benchmarks: None) -> Reader:
    """Return somebody in an empty folder, with little patience."""
    monkeypatch.chdir(tmp_path)
    for name, value in LIGHT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return Reader(here=tmp_path)


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with photos of digits and a network trained on them for some seconds."""
    from compressor.data import open_data, parse_preprocess
    from compressor.finetune import Recipe, finetune
    from compressor.load import build, load

    here = tmp_path_factory.mktemp("shelf")
    photos(here / "photos")
    torch.manual_seed(0)
    network, preprocess = build("cifar:resnet8", num_classes=10), parse_preprocess("imagenet")
    fresh = load(network, arch="cifar:resnet8", preprocess=preprocess, input_size=(16, 16))
    data = open_data(str(here / "photos"), preprocess=preprocess, input_size=(16, 16))
    recipe = Recipe(epochs=8, lr=0.3, batch_size=32, distill=False, augment="none")
    trained, _ = finetune(fresh, data, recipe)
    torch.save(trained.model.state_dict(), here / "model.pt")
    return here


def _stocked(reader: Reader, shelf: Path) -> Reader:
    (reader.here / "photos").symlink_to(shelf / "photos")
    (reader.here / "model.pt").write_bytes((shelf / "model.pt").read_bytes())
    return reader


@pytest.mark.slow
def test_the_tutorial(
    reader: Reader, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From an empty folder to a verdict; the demo's policies ask for the light battery, `make demo` runs the other."""
    light = tmp_path_factory.mktemp("light")
    for name in ("policy.toml", "strict.toml"):
        text = (Path(route.__file__).parent / name).read_text()
        (light / name).write_text(text.replace('battery = "standard"', 'battery = "quick"'))
    monkeypatch.setattr(route, "files", lambda package: light)
    assert reader.follow(ROOT / "docs" / "tutorial.md") >= 10


@pytest.mark.slow
def test_the_guides(reader: Reader, shelf: Path) -> None:
    """Each section in its turn, on one small network."""
    assert _stocked(reader, shelf).follow(ROOT / "docs" / "howto.md") >= 12


@pytest.mark.slow
def test_the_page_about_ci(reader: Reader, shelf: Path) -> None:
    """The workflow's release first, by the action's own step, since it makes the bundle that the others judge.

    It meets its time limit once, and goes on from what that left.
    """
    _stocked(reader, shelf)
    (reader.here / "policy.toml").write_text('schema = "compress.policy/1"\n[parity]\nmin_agreement = 0.99\n')
    taken = [step["with"] for workflow in _workflows() for step in _steps(workflow) if "/compress@" in step["uses"]]
    release = next(each for each in taken if each.get("run") == "release")
    (reader.here.parent / "runner").mkdir(exist_ok=True)
    fixed = {
        "PROGRAM": str(action.install(reader.here / "bin" / "compress")),
        "ARGUMENTS": release["arguments"],
        "POLICY": release["policy"],
        "WORK_DIR": ".compress",
        "EXPORTS": "exports",
        "OUTPUT": "verdict",
        **LIGHT,
    }
    for limit, code in (("1s", 4), (release["time-limit"], 0)):
        done = action.step("Release", reader.here, LIMIT=limit, **fixed)
        assert done.returncode == code, done.stderr
        assert any((reader.here / ".compress").rglob("*"))
    assert (reader.here / "verdict" / "verdict.md").read_text().startswith("## PASSED")
    reader.look()
    assert reader.follow(ROOT / "docs" / "ci.md") >= 3


@pytest.mark.slow
def test_the_readme(reader: Reader, shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a policy that a network of some seconds can meet; its alternatives write one file after the other."""
    monkeypatch.setenv("COMPRESS_FORCE", "1")
    _stocked(reader, shelf)
    (reader.here / "policy.toml").write_text('schema = "compress.policy/1"\n[parity]\nmin_agreement = 0.99\n')
    reader.names |= {
        "--audit 50 ": "",  # `full`, on one small chunk as dear as on many images; tests/certify have it
        "--nproc-per-node 4": "--nproc-per-node 2",
        "--epochs 10": "--epochs 1",
        "--epochs 20": "--epochs 1",
    }
    reader.called = {"resnet20": "model"}
    assert reader.follow(ROOT / "README.md", but="tuned.pt") >= 12
