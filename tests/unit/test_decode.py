"""TOML experiments: what they mean, and that mistakes are refused with their place."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from taskgrove.agents.methods.mu2net_plus import Mu2NetPlusOptions
from taskgrove.domain.errors import BadValueError, UnknownNameError, UserError
from taskgrove.experiment.decode import read_experiment
from taskgrove.experiment.spec import (
    AgentSpec,
    BudgetSpec,
    ExperimentSpec,
    RootSpec,
    ScoreSpec,
    SpaceSpec,
    TaskEntry,
    TrainSpec,
)
from taskgrove.experiment.tables import decode

FULL = """
name = "mnist"
seed = 3
device = "cpu"
executor = "inline"

[root]
member = "vit-b"
weights = "b16.npz"
seed = 4

[agent]
method = "mu2net_plus"
iterations = 5
children = 6
private = "mutate"
learn_mu = false

[score]
scale = 0.99
params_constant = 1484162
flops_constant = 15e6
form = "mu2net_plus"
count_roots = false

[space]
base = "munet"
values.opt.lr = [0.01, 0.02]
values."data.flip" = [true]

[budget]
cycles = 40

[train]
cycles = 1
samples_cap = 2
batch_size = 3
val_cap = 4
precision = "bf16"
threads = 1

[defaults]
opt.lr = 0.1
data.flip = true
"data.resolution" = 80

[[tasks]]
name = "digits"
source = "npz:digits.npz"

[[tasks]]
name = "letters"
source = "folder:letters"
train = "train[:90%]"
val = "train[90%:]"
test = "test"
"""

Read = Callable[[str], ExperimentSpec]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads the text of an experiment from a file."""
    path = tmp_path / "experiment.toml"

    def read_text(text: str) -> ExperimentSpec:
        path.write_text(text, encoding="utf-8")
        return read_experiment(path)

    return read_text


def test_every_setting_is_read(read: Read) -> None:
    assert read(FULL) == ExperimentSpec(
        name="mnist",
        seed=3,
        device="cpu",
        executor="inline",
        root=RootSpec(member="vit-b", weights="b16.npz", seed=4),
        agent=AgentSpec(
            method="mu2net_plus",
            iterations=5,
            options={"children": 6, "private": "mutate", "learn_mu": False},
        ),
        score=ScoreSpec(
            form="mu2net_plus",
            scale=0.99,
            params_constant=1484162.0,
            flops_constant=15e6,
            count_roots=False,
        ),
        space=SpaceSpec(base="munet", values={"opt.lr": (0.01, 0.02), "data.flip": (True,)}),
        budget=BudgetSpec(cycles=40),
        train=TrainSpec(cycles=1, samples_cap=2, batch_size=3, val_cap=4, precision="bf16", threads=1),
        defaults={"opt.lr": 0.1, "data.flip": True, "data.resolution": 80},
        tasks=(
            TaskEntry(name="digits", source="npz:digits.npz"),
            TaskEntry(
                name="letters",
                source="folder:letters",
                train="train[:90%]",
                val="train[90%:]",
                test="test",
            ),
        ),
    )


def test_what_is_left_out_has_its_default(read: Read) -> None:
    assert read('name = "x"') == ExperimentSpec(name="x")
    assert read('name = "x"\n[agent]\nchildren = 4').agent == AgentSpec(options={"children": 4})


def test_whole_numbers_are_read_as_the_floats_they_stand_for(read: Read) -> None:
    score = read('name = "x"\n[score]\nscale = 1\nparams_constant = 0').score
    assert (type(score.scale), type(score.params_constant)) == (float, float)


def test_options_are_decoded_as_the_methods_own() -> None:
    options = decode(Mu2NetPlusOptions, {"children": 4, "regrow": True}, "agent (mu2net_plus)")
    assert options == Mu2NetPlusOptions(children=4, regrow=True)


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ('nmae = "x"', "setting in the experiment named 'nmae'", "Did you mean 'name'"),
        ('name = "x"\n[root]\nmenber = "vit-b"', "setting in root named 'menber'", "member, seed, weights"),
        ('name = "x"\n[score]\ns = 0.9', "setting in score named 's'", "count_roots, flops_constant, form"),
        (
            'name = "x"\n[train]\nepochs = 3',
            "setting in train named 'epochs'",
            "batch_size, checkpoint, compile, cycles",
        ),
        (
            'name = "x"\n[[tasks]]\nname = "a"\nsource = "npz:a"\n[[tasks]]\nname = "b"\nsorce = "npz:b"',
            r"setting in tasks\[1\] named 'sorce'",
            "Did you mean 'source'",
        ),
    ],
)
def test_an_unknown_key_is_refused_with_its_place_and_the_known_ones(
    read: Read, text: str, place: str, hint: str
) -> None:
    with pytest.raises(UnknownNameError, match=place) as caught:
        read(text)
    assert hint in str(caught.value)
    assert "experiment.toml" in str(caught.value)


def test_an_unknown_option_of_the_method_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        UnknownNameError, match=r"setting in agent \(mu2net_plus\) named 'childern'.*children"
    ):
        decode(Mu2NetPlusOptions, {"childern": 4}, "agent (mu2net_plus)")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = 3", r"name must be str, got 3 \(int\)"),
        ('name = "x"\nseed = "0"', r"seed must be int, got '0' \(str\)"),
        ('name = "x"\nseed = true', r"seed must be int, got True \(bool\)"),
        ('name = "x"\nseed = 1.0', r"seed must be int, got 1\.0 \(float\)"),
        ('name = "x"\nroot = "vit-b"', r"root must be a table, got 'vit-b'"),
        ('name = "x"\nagent = "munet"', r"agent must be a table, got 'munet'"),
        ('name = "x"\n[root]\nweights = 3', r"root\.weights must be str or nothing, got 3 \(int\)"),
        ('name = "x"\n[agent]\niterations = "2"', r"agent\.iterations must be int, got '2' \(str\)"),
        ('name = "x"\n[agent]\nchildren = [8]', r"agent\.children must be .*, got \[8\] \(list\)"),
        ('name = "x"\n[score]\nscale = "0.9"', r"score\.scale must be float, got '0\.9' \(str\)"),
        (
            'name = "x"\n[score]\nparams_constant = true',
            r"score\.params_constant must be float or nothing, got True \(bool\)",
        ),
        ('name = "x"\n[score]\nform = 3', r"score\.form must be str or nothing, got 3"),
        ('name = "x"\n[space]\nbase = true', r"space\.base must be str or nothing, got True"),
        ('name = "x"\n[space]\nvalues.opt.lr = 0.1', r"space\.values\.opt\.lr must be a list, got 0\.1"),
        ('name = "x"\n[space]\nvalues = [1]', r"space\.values must be a table, got \[1\]"),
        ('name = "x"\n[budget]\ncycles = 2.5', r"budget\.cycles must be int or nothing, got 2\.5"),
        ('name = "x"\n[train]\ncycles = 1.5', r"train\.cycles must be int, got 1\.5 \(float\)"),
        ('name = "x"\ndefaults = 3', r"defaults must be a table, got 3"),
        ('name = "x"\n[defaults]\nopt.lr = [0.1]', r"defaults\.opt\.lr must be .*, got \[0\.1\] \(list\)"),
        ('name = "x"\n[defaults]\nwhen = 2020-01-01', r"defaults\.when must be bool or int or float or str"),
        ('name = "x"\ntasks = "digits"', r"tasks must be a list, got 'digits'"),
        ('name = "x"\ntasks = ["digits"]', r"tasks\[0\] must be a table, got 'digits'"),
        ('name = "x"\n[[tasks]]\nname = "a"\nsource = 3', r"tasks\[0\]\.source must be str, got 3 \(int\)"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_with_its_place(read: Read, text: str, message: str) -> None:
    with pytest.raises(BadValueError, match=message) as caught:
        read(text)
    assert "experiment.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = 1", "the experiment needs name"),
        ('name = "x"\n[[tasks]]\nname = "a"', r"tasks\[0\] needs source"),
        ('name = "x"\n[[tasks]]\nval = "a"', r"tasks\[0\] needs name, source"),
        ('name = "a b"', "cannot name an experiment"),
        ('name = "x"\n[agent]\niterations = 0', r"agent\.iterations must be at least 1"),
        ('name = "x"\n[score]\nscale = 0', r"score\.scale must be in"),
        ('name = "x"\n[score]\nmax_params = -1', r"score\.max_params must be positive"),
        ('name = "x"\n[budget]\ncycles = 0', r"budget\.cycles must be at least 1, got 0"),
        ('name = "x"\n[train]\nbatch_size = 0', r"train\.batch_size must be at least 1"),
        ('name = "x"\n[train]\nprecision = "fp8"', r"train\.precision must be auto"),
    ],
)
def test_a_missing_or_bad_value_is_refused(read: Read, text: str, message: str) -> None:
    with pytest.raises(BadValueError, match=message) as caught:
        read(text)
    assert "experiment.toml" in str(caught.value)


def test_a_task_named_twice_is_refused(read: Read) -> None:
    entry = '[[tasks]]\nname = "a"\nsource = "npz:a"\n'
    with pytest.raises(UserError, match="a is named more than once"):
        read('name = "x"\n' + 2 * entry)


def test_a_file_that_is_not_toml_is_refused_with_its_line(read: Read) -> None:
    with pytest.raises(BadValueError, match=r"experiment\.toml is not valid TOML: .*line 2"):
        read('name = "x"\nseed = \ntasks = []')


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "binary.toml"
    path.write_bytes(b'name = "\xff"')
    with pytest.raises(BadValueError, match=r"binary\.toml is not valid TOML"):
        read_experiment(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadValueError, match=r"Cannot read .*gone\.toml: No such file"):
        read_experiment(tmp_path / "gone.toml")
    with pytest.raises(BadValueError, match="Cannot read "):
        read_experiment(tmp_path)


def test_dotted_defaults_are_names_however_toml_nests_them(read: Read) -> None:
    flat = read('name = "x"\n[defaults]\n"opt.lr" = 0.1').defaults
    nested = read('name = "x"\n[defaults.opt]\nlr = 0.1').defaults
    assert tomllib.loads("[defaults]\nopt.lr = 0.1") == {"defaults": {"opt": {"lr": 0.1}}}
    assert flat == nested == read('name = "x"\n[defaults]\nopt.lr = 0.1').defaults == {"opt.lr": 0.1}


def test_environment_variables_stand_for_places_and_only_there(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOMEWHERE", "/data")
    spec = read(
        """
        name = "x"
        root.weights = "${SOMEWHERE}/b16.npz"
        [[tasks]]
        name = "a"
        source = "npz:${SOMEWHERE}/a.npz"
        train = "train[:5%]"
        """
    )
    assert spec.root.weights == "/data/b16.npz"
    assert spec.tasks[0].source == "npz:/data/a.npz"


def test_a_suite_stands_for_its_tasks_before_the_others(read: Read) -> None:
    spec = read('name = "x"\nsuite = "glyphs8"\n[[tasks]]\nname = "more"\nsource = "sklearn:digits"')
    assert len(spec.tasks) == 9
    assert [task.name for task in spec.tasks][-2:] == ["georgian", "more"]
    with pytest.raises(UnknownNameError, match=r"no suite named 'nonsense'.*Known: .*glyphs8"):
        read('name = "x"\nsuite = "nonsense"')
