"""What the action and the GitLab job do around a release: what goes in and out, what is kept, and under which name."""

import json
import re
from pathlib import Path

import pytest
import yaml
from action import ACTION, JOBS, ROOT, STEPS, sh, stand_in, step
from docs_page import blocks

INTERFACES = {
    "actions/cache/restore": ({"path", "key"}, {"restore-keys", "fail-on-cache-miss", "lookup-only"}),
    "actions/cache/save": ({"path", "key"}, {"upload-chunk-size"}),
    "actions/checkout": (set(), {"ref", "fetch-depth", "submodules"}),
    "actions/download-artifact": (set(), {"name", "path", "pattern", "merge-multiple"}),
    "actions/setup-python": (set(), {"python-version", "cache"}),
    "actions/upload-artifact": ({"path"}, {"name", "if-no-files-found", "retention-days", "overwrite"}),
}
"""Of each action that is used here: the inputs that it needs, and others that it documents."""

RELEASE = """printf '%s\\n' "$@" >> "{told}"
case "$1" in
  release) mkdir -p .compress && touch .compress/state; {ends} ;;
  report) for word in "$@"; do last=$where; where=$word; done; echo "of $2" > "$last" ;;
esac
"""
"""A compress that notes its words; `report BUNDLE --format F --output FILE --force` writes the file."""

PASSED = (
    "mkdir -p exports/model-1a2b3c4d; echo {} > exports/model-1a2b3c4d/verdict.json; "
    "echo 'PASSED  by policy.toml'; echo 'bundle: exports/model-1a2b3c4d'"
)


def released(checkout: Path, ends: str, **variables: str) -> tuple[int, list[str], str]:
    """Run the step with such a compress; return its code, the words that it heard, and the step's own outputs."""
    runner, told = checkout.parent / "runner", checkout.parent / "told"
    for folder in (checkout, runner):
        folder.mkdir(exist_ok=True)
    program = stand_in(checkout.parent / "bin" / "compress", RELEASE.format(told=told, ends=ends))
    fixed = {"PROGRAM": str(program), "WORK_DIR": ".compress", "EXPORTS": "exports", "OUTPUT": "verdict"}
    done = step("Release", checkout, **fixed | {"POLICY": "my policy.toml"} | variables)
    return done.returncode, told.read_text().splitlines(), (runner / "output").read_text()


def used_steps() -> list[dict]:
    """Return every step of ours that runs somebody's action: of action.yml, of the workflows here and in the docs."""
    files = [yaml.safe_load(path.read_text()) for path in (ROOT / ".github" / "workflows").glob("*.yml")]
    files += [yaml.safe_load(block.text) for block in blocks(ROOT / "docs" / "ci.md") if block.language == "yaml"]
    steps = [each for file in files for job in file.get("jobs", {}).values() for each in job["steps"]]
    return [each for each in (*ACTION["runs"]["steps"], *steps) if "uses" in each and "/compress@" not in each["uses"]]


def test_what_is_used_gets_what_it_needs() -> None:
    """Every step gives an action the inputs that it needs, and none that it does not know."""
    steps = used_steps()
    assert len(steps) >= 8
    for each in steps:
        needed, others = INTERFACES[each["uses"].partition("@")[0]]
        assert needed <= each.get("with", {}).keys() <= needed | others, each


def test_what_runs_in_other_people_s_jobs_is_pinned() -> None:
    """In action.yml by a commit, with the version behind it for readers: a tag can be moved."""
    lines = [line for line in (ROOT / "action.yml").read_text().splitlines() if " uses: " in line]
    assert len(lines) == 4
    assert all(re.search(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line) for line in lines)


def test_what_is_done_is_kept_however_a_release_ends() -> None:
    """Found again by the beginning of its key; saved under a new one each time, since caches cannot be changed."""
    found, kept = STEPS["Find what was done before"], STEPS["Keep what is done"]
    assert found["with"]["path"] == kept["with"]["path"] == STEPS["Release"]["env"]["WORK_DIR"]
    assert found["with"]["key"] == kept["with"]["key"]
    assert found["with"]["key"].startswith(found["with"]["restore-keys"])
    assert "github.run_id" in kept["with"]["key"]
    assert "always()" in kept["if"]
    names = list(STEPS)
    assert names.index(found["name"]) < names.index("Release") < names.index(kept["name"])


def test_the_bundle_is_uploaded_whatever_the_verdict() -> None:
    """Accepted and rejected ones lie below one folder, which is the one that the release writes into."""
    upload = STEPS["Keep the bundle"]
    assert "always()" in upload["if"]
    assert upload["with"]["path"] == STEPS["Release"]["env"]["EXPORTS"]
    assert upload["with"]["name"] != STEPS["Keep the verdict"]["with"]["name"]


def test_arguments_are_split_as_a_shell_would_and_never_run(tmp_path: Path) -> None:
    """Quotes hold words together, lines are joined, and a substitution stays text."""
    arguments = "model.pt --data 'my photos'\n--keep 'layer1.*' --name $(touch run) `touch run`\n"
    code, words, _ = released(tmp_path / "checkout", PASSED, ARGUMENTS=arguments, LIMIT="5h")
    assert code == 0
    assert words[:10] == [
        "release",
        "model.pt",
        "--data",
        "my photos",
        "--keep",
        "layer1.*",
        "--name",
        "$(touch",
        "run)",
        "`touch",
    ]
    assert words[11:19] == (
        ["--policy", "my policy.toml", "--work-dir", ".compress", "--output", "exports", "--time-limit", "5h"]
    )
    assert not (tmp_path / "checkout" / "run").exists()


def test_a_release_leaves_its_verdict_in_three_forms(tmp_path: Path) -> None:
    """The record of the bundle, JUnit and Markdown; later steps learn the bundle's folder."""
    checkout = tmp_path / "checkout"
    code, words, outputs = released(checkout, PASSED, ARGUMENTS="model.pt")
    assert code == 0
    assert "--time-limit" not in words
    assert outputs == "exit-code=0\nbundle=exports/model-1a2b3c4d\n"
    assert sorted(path.name for path in (checkout / "verdict").iterdir()) == [
        "verdict.json",
        "verdict.md",
        "verdict.xml",
    ]
    assert (checkout / "verdict" / "verdict.md").read_text() == "of exports/model-1a2b3c4d\n"


def test_a_rejected_bundle_is_3_and_kept(tmp_path: Path) -> None:
    """The step ends with the code of the release, behind its pipe too."""
    rejected = PASSED.replace("exports/model", "exports/rejected/model") + "; exit 3"
    code, _, outputs = released(tmp_path / "checkout", rejected, ARGUMENTS="model.pt")
    assert code == 3
    assert outputs == "exit-code=3\nbundle=exports/rejected/model-1a2b3c4d\n"


def test_a_time_limit_says_so_and_leaves_its_state(tmp_path: Path) -> None:
    """4 without a bundle: the summary and the comment say that it goes on, and no older verdict is left."""
    checkout = tmp_path / "checkout"
    (checkout / "verdict").mkdir(parents=True)
    (checkout / "verdict" / "verdict.md").write_text("## PASSED\n")
    code, _, outputs = released(checkout, "exit 4", ARGUMENTS="model.pt", LIMIT="1s")
    assert (code, outputs) == (4, "exit-code=4\n")
    told = (checkout / "verdict" / "verdict.md").read_text()
    assert told.startswith("## UNDECIDED: the time limit was reached")
    assert (tmp_path / "runner" / "summary.md").read_text() == told
    assert (checkout / ".compress" / "state").exists()


def test_what_was_asked_wrongly_leaves_no_verdict(tmp_path: Path) -> None:
    """2, and nothing that could be read as one."""
    checkout = tmp_path / "checkout"
    code, _, outputs = released(checkout, "exit 2", ARGUMENTS="model.pt --ratio 50")
    assert (code, outputs) == (2, "exit-code=2\n")
    assert list((checkout / "verdict").iterdir()) == []


@pytest.mark.parametrize(("codes", "ends"), [("0 0", 0), ("0 3", 3), ("4 3", 3), ("3 4", 3), ("0 4", 4), ("2 3", 2)])
def test_each_bundle_is_verified_and_the_worst_counts(tmp_path: Path, codes: str, ends: int) -> None:
    """Undecided gives way to what is known; what somebody's bundle says stays text in the summary."""
    checkout, runner = tmp_path / "checkout", tmp_path / "runner"
    for folder in (checkout / "a-1", checkout / "a-2", runner):
        folder.mkdir(parents=True)
    for name, code in zip(("a-1", "a-2"), codes.split(), strict=True):
        (checkout / name / "code").write_text(code)
    program = stand_in(tmp_path / "bin" / "compress", 'echo \'```\' "$@"; exit "$(cat "$2/code")"\n')
    fixed = {"PROGRAM": str(program), "POLICY": "mine.toml", "OUTPUT": "verdict", "ARGUMENTS": "--recheck 20"}
    done = step("Verify", checkout, EVIDENCE="a-*\n b-*", **fixed)
    assert done.returncode == ends, done.stderr
    assert (runner / "output").read_text() == f"exit-code={ends}\n"
    told = (runner / "summary.md").read_text()
    assert told == (checkout / "verdict" / "verdict.md").read_text()
    assert "    ``` verify a-2 --recheck 20 --policy mine.toml\n" in told
    assert told.count("## verify: exit code") == 2


def test_no_bundle_at_all_is_2(tmp_path: Path) -> None:
    """A pattern that fits nothing must not look like a bundle that holds."""
    for folder in ("checkout", "runner"):
        (tmp_path / folder).mkdir()
    done = step("Verify", tmp_path / "checkout", EVIDENCE="b-*", POLICY="mine.toml", OUTPUT="verdict")
    assert done.returncode == 2
    assert done.stderr == "error: no bundle is called b-*\n"


def test_the_gitlab_release_keeps_the_same(tmp_path: Path) -> None:
    """State in the cache and bundles as artifacts, however it ends; the limit lies below the job's own."""
    job = JOBS[".compress-release"]
    assert job["cache"]["when"] == job["artifacts"]["when"] == "always"
    assert job["cache"]["paths"] == [".compress"]
    assert "exports" in job["artifacts"]["paths"]
    assert int(job["variables"]["LIMIT"].removesuffix("h")) < int(job["timeout"].removesuffix(" hours"))
    checkout, told = tmp_path / "checkout", tmp_path / "told"
    for ends, code in ((PASSED, 0), (f"{PASSED}; exit 3", 3), ("exit 4", 4)):
        stand_in(checkout / ".release" / "bin" / "compress", RELEASE.format(told=told, ends=ends))
        script = "\n".join(line for line in job["script"] if "venv" not in line and "pip" not in line)
        (checkout / "verdict.xml").unlink(missing_ok=True)
        done = sh(script, checkout, **job["variables"])
        assert done.returncode == code, done.stderr
        assert (checkout / "verdict.xml").exists() == (code != 4)
    words = told.read_text().splitlines()
    assert words[:4] == ["release", "model.pt", "--data", "photos/"]
    assert words[words.index("--time-limit") + 1] == "5h"
    assert json.loads((checkout / "exports" / "model-1a2b3c4d" / "verdict.json").read_text()) == {}
