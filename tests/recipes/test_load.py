"""Reading a recipe: what it may say, one sentence for what it may not, and where its paths lead."""

from pathlib import Path

import pytest

from handsoff.core.errors import HandsOffError, InputError
from handsoff.evaluation.settings import group_of
from handsoff.recipes.load import load_recipe
from handsoff.recipes.schema import DEFAULTS, Recipe
from handsoff.verbs import VERBS

DATA = 'images = "photos.zip"\nlabelled = "labelled"\noutput = "out"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("images = ", "not a readable TOML recipe"),
        (DATA + "colour = 3", r"recipe\.toml has no setting 'colour': choose one of .*budgets.*evaluate"),
        (DATA + "tables = {}", r"recipe\.toml has no setting 'tables'"),
        (DATA + "[invert]\nstepz = 3", r"\[invert\] has no setting 'stepz': did you mean steps\? choose one of"),
        (DATA + '[fit]\nsteps = "many"', r"\[fit\]: steps = many cannot be: write a whole number"),
        (DATA + "[fit]\nhidden = [3]", r"\[fit\]: hidden\.1 cannot be: field required"),
        (DATA + f"[generate]\nn = {2**62}", r"\[generate\]: n = \d+ cannot be: input should be less than"),
        (DATA + f"[edit]\nvectors = {2**62}", r"\[edit\]: vectors = \d+ cannot be: input should be less than"),
        (DATA + "[generate]\nkeep = 2.0", r"\[generate\]: keep = 2\.0 cannot be"),
        (DATA + "[fit]\nhidden = 128", r"\[fit\]: hidden = 128 cannot be: write a list in brackets"),
        (DATA.replace("labelled", "labeled", 1), "no setting 'labeled': did you mean labelled\\? choose one of"),
        (DATA + "[generat]\nn = 3", "no setting 'generat': did you mean generate\\?"),
        (DATA + "[train]\nminuets = 3", r"\[train\] has no setting 'minuets': did you mean minutes\?"),
        (DATA + '[train]\ndiscriminator = "stylegan"', r"did you mean stylegan2\? choose one of projected, stylegan2"),
        (DATA + "generate = 3", "generate = 3 cannot be"),
        (DATA + "[generate.aim]\nhat = 3", r"\[generate\]: aim = .* cannot be: hat = 3 is no share"),
        (DATA + "[train]\nmirrored = ['yaw']", r"\[train\]: mirrored says which conditions change in the mirror"),
        (DATA + "validation = -1", "validation = -1 cannot be"),
        (DATA + "budgets = []", r"budgets = \[\] cannot be"),
        (DATA + "budget = 4\nbudgets = [4]", "keep one of them"),
        (DATA + 'budget = "4"', r"budgets = 4 cannot be: write whole numbers without quotes or points, such as 50"),
        (DATA + "budget = 4.0", r"budgets = 4\.0 cannot be: write whole numbers"),
        (DATA + "budget = true", r"budgets = .* cannot be: write whole numbers"),
        (DATA + 'budgets = [4, "8"]', r"budgets = .* cannot be: write whole numbers"),
        (DATA + "budgets = [4, 4]", r"budgets = \[4, 4\] cannot be: name every number of labels once"),
        (DATA + '[classes]\neye = ["left_eye"]', "cannot be: write text in quotes"),
        (DATA + "[invert]\nfirst = 3", r"\[invert\] first follows from budgets"),
        (DATA + '[convert]\nframe = "8x8"', r"\[convert\] frame follows from \[train\] resolution"),
        (
            DATA.replace("images =", "generator =") + '[convert]\nframe = "8x8"',
            r"\[convert\] frame follows from the generator in a recipe, leave it out",
        ),
        (DATA + '[convert]\nframing = "cut"', r"\[convert\]: framing = cut cannot be"),
        (DATA + 'split = { extra = "x" }', "split = x cannot be|extra"),
        (DATA + '[fit]\ntask = "depth"', r"\[fit\] task follows from tasks"),
        (DATA + '[evaluate]\ntest_part = "3:"', r"\[evaluate\] test_part follows from test"),
        (DATA + '[evaluate]\ncurve_part = "3:"', r"\[evaluate\] curve_part follows from reserve"),
        (DATA + "[evaluate]\ncurve = [1, 50]", r"\[evaluate\]: curve = .* cannot be: 1 is too few labels"),
        (DATA + "reserve = -1", "reserve = -1 cannot be"),
        (DATA + 'generator = "gan"', "give either images"),
        ('labelled = "labelled"\noutput = "out"', "give either images"),
        ('images = "photos.zip"\noutput = "out"', "lacks labelled: labelled images, a folder or zip"),
        ('images = "photos.zip"\nlabelled = "labelled"', "lacks output"),
        (DATA + 'tasks = ["depth", "depth"]', "name every task once"),
        (DATA + 'photos = ""', "photos = '' is no path: name a file or folder, or leave the line out"),
        (DATA + '[invert]\nphotos = ""', r"\[invert\] photos = '' is no path"),
        (DATA + '[generate]\nattributes = ""\naim = "x=uniform"', r"\[generate\] attributes = '' is no path"),
        (DATA.replace('"out"', r'"o\u0000"'), r"output = 'o\\x00' is no path"),
    ],
)
def test_a_wrong_recipe_is_refused_in_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(HandsOffError, match=sentence) as caught:
        load_recipe(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.toml does not exist"):
        load_recipe(tmp_path / "nothing.toml")


def test_paths_are_relative_to_the_recipe_and_the_output_is_not(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, DATA + 'test = "/somewhere/else"'))
    assert (recipe.images, recipe.labelled, recipe.test) == (
        tmp_path / "photos.zip",
        tmp_path / "labelled",
        Path("/somewhere/else"),
    )
    assert recipe.output == Path("out")
    assert load_recipe(write(tmp_path, DATA), tmp_path / "other").output == tmp_path / "other"


def test_folders_that_an_aim_names_are_relative_to_the_recipe_too(tmp_path: Path) -> None:
    table = '[generate]\nattributes = "photos"\n[generate.aim]\nhat = 0.2\nmatch = '
    found = load_recipe(write(tmp_path, f'{DATA}{table}"other"')).settings("generate").model_dump()
    assert (found["aim"]["match"], found["attributes"]) == (str(tmp_path / "other"), str(tmp_path / "photos"))
    found = load_recipe(write(tmp_path, f'{DATA}{table}"labelled"')).settings("generate").model_dump()
    assert found["aim"] == {"hat": 0.2, "match": "labelled"}


def test_everything_has_a_default(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, DATA))
    assert (recipe.budgets, recipe.validation, recipe.method) == ((50,), 100, "handsoff")
    assert recipe.settings("generate").n == 10_000
    assert load_recipe(write(tmp_path, DATA + "[generate]\npsi = 0.5")).settings("generate").n == 10_000
    assert load_recipe(write(tmp_path, DATA + "[train]\nresolution = 32")).for_train().resolution == "32"
    assert (
        load_recipe(write(tmp_path, DATA + "budget = 7")).budgets
        == load_recipe(write(tmp_path, DATA + "budgets = 7")).budgets
        == (7,)
    )


BESIDE = {"margin": "around = 'labels'\n"}  # settings that say nothing alone → what is said with them


def test_every_setting_of_a_verb_is_owned_or_can_be_set(tmp_path: Path) -> None:
    """Which tables a recipe may have, and what may stand in them, follows from the registry of verbs alone."""
    plain = Recipe(images=Path("a"), labelled=Path("b"), output=Path("c"))
    for verb in VERBS.values():
        fields = verb.settings.model_fields
        assert verb.owned.keys() <= fields.keys(), verb.name
        needed = DEFAULTS.get(verb.name, {})
        for name, field in fields.items():
            value = needed.get(name, field.default)
            text = f"{DATA}[{verb.name}]\n{name} = {written(value)}\n{BESIDE.get(name, '')}"
            if name in verb.owned:
                with pytest.raises(InputError, match=rf"\[{verb.name}\] {name} follows from .* set that"):
                    load_recipe(write(tmp_path, text))
            elif value is not None:
                recipe = load_recipe(write(tmp_path, text))
                assert getattr(recipe.settings(verb.name), name) == getattr(plain.settings(verb.name), name)


def written(value: object) -> str:
    """A default in TOML; owned settings are refused before their value is looked at."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, int | float):
        return str(value)
    return "{}" if value == {} else f"'{value}'"


def test_recipes_that_come_with_the_project_can_be_read() -> None:
    for path in sorted((Path(__file__).parents[2] / "recipes").glob("*.toml")):
        assert load_recipe(path).budgets


def test_the_conditions_of_a_recipe_lie_beside_it(tmp_path: Path) -> None:
    recipe = 'images = "photos"\nlabelled = "labelled"\noutput = "run"\n[train]\nconditions = "told/attributes.json"\n'
    (tmp_path / "recipe.toml").write_text(recipe)
    assert load_recipe(tmp_path / "recipe.toml").for_train().model_dump()["conditions"] == str(
        tmp_path / "told" / "attributes.json"
    )


def test_the_driving_recipe_tells_videos_apart() -> None:
    pattern = load_recipe(Path(__file__).parents[2] / "recipes" / "driving.toml").tables["evaluate"]["group"]
    names = ("0001TP_006690", "0006R0_f00930", "0016E5_00390", "train/images/0016E5_00390")
    assert [group_of(pattern, name) for name in names] == ["0001TP", "0006R0", "0016E5", "0016E5"]
