"""Runs on the Hub, against a stand-in of its API: there and back, what is said when it fails, and hostile models."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hub_stand_in import READ_ONLY, TOKEN, Hub, Model, stand_in

import alphabar
from alphabar import AlphabarError, cli
from tiny_settings import TINY

huggingface_hub = pytest.importorskip("huggingface_hub")

NAME = "me/digits"
PLACE = f"hf:{NAME}"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("secret-place") / "run"
    alphabar.train("ddpm_digits", run=path, overrides=[*TINY, "network.norm_groups=4"], device="cpu")
    return path


@pytest.fixture
def hub(monkeypatch, tmp_path) -> Iterator[Hub]:
    """An empty hub, with a token that may write to it."""
    from huggingface_hub import constants

    with stand_in() as found:
        monkeypatch.setattr(constants, "ENDPOINT", found.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", found.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setattr(constants, "HF_STORED_TOKENS_PATH", str(tmp_path / "no-tokens"))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield found


@pytest.fixture
def pushed(hub, run) -> Model:
    alphabar.push(run, PLACE, licence="mit")
    return hub.models[NAME]


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def replaced(model: Model, end: str, change: Callable[[bytes], bytes]) -> str:
    (name,) = [name for name in model.files if name.endswith(end)]
    model.files[name] = change(model.files[name])
    return name


# ---- there and back ----------------------------------------------------------------------------------------------


def test_a_run_comes_back_byte_for_byte_and_samples_the_same_images(hub, pushed, run, tmp_path) -> None:
    alphabar.push(run, PLACE, licence="mit", out=tmp_path / "local")
    assert pushed.files == files(tmp_path / "local")
    weights = alphabar.pull(PLACE, tmp_path / "back")
    assert files(tmp_path / "back") == {
        name: content for name, content in pushed.files.items() if name != "samples.png"
    }
    assert weights.is_relative_to(tmp_path / "back") and weights.suffix == ".safetensors"
    images = [alphabar.load(place, device="cpu").sample(4).tensor for place in (tmp_path / "local", tmp_path / "back")]
    assert torch.equal(*images)
    assert any(asked.startswith("PUT /lfs/") for asked in hub.asked) and pushed.commits[1:] == [f"{1:040x}"]


def test_the_commands_print_where_it_is_and_how_to_go_on(hub, run, tmp_path, monkeypatch, capsys) -> None:
    def said(*words: object) -> str:
        monkeypatch.setattr("sys.argv", ["alphabar", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert not end.value.code
        return capsys.readouterr().out

    card = said("push", run, PLACE, "--license", "mit", "--out", tmp_path / "card")
    assert card.startswith(f"card      {tmp_path}/card/README.md  (nothing was uploaded") and not hub.asked
    assert said("push", run, PLACE) == (f"model     {hub.url}/{NAME}  (fetch it with `alphabar pull {PLACE} FOLDER`)\n")
    monkeypatch.setenv("HF_TOKEN", "")  # which a public model does not need
    back = said("pull", PLACE, tmp_path / "back")
    assert back.startswith(f"run       {tmp_path}/back  (0.1 MB of weights; sample it with `alphabar sample")


def test_load_takes_a_run_on_the_hub_by_its_name(pushed, tmp_path) -> None:
    model = alphabar.load(PLACE, device="cpu")
    alphabar.pull(PLACE, tmp_path / "back")
    assert str(model.loaded.path) == PLACE
    assert torch.equal(model.sample(2).tensor, alphabar.load(tmp_path / "back", device="cpu").sample(2).tensor)
    with pytest.raises(AlphabarError, match=r"is a run of alphabar; fetch it with `alphabar pull hf:me/digits FOLDER`"):
        alphabar.import_run(PLACE, tmp_path / "imported")


def test_a_second_push_replaces_the_first_in_one_commit(hub, pushed, run) -> None:
    pushed.files |= {"checkpoints/step-00000001/old.safetensors": b"x", "notes.txt": b"mine"}
    alphabar.push(run, PLACE, step=4, to="diffusers")
    steps = {name.split("/")[1] for name in pushed.files if name.startswith("checkpoints/")}
    assert steps == {"step-00000004"} and len(pushed.commits) == 3
    assert {
        "notes.txt",
        "model_index.json",
        "unet/config.json",
        "scheduler/scheduler_config.json",
    } <= pushed.files.keys()
    alphabar.push(run, PLACE)
    assert "model_index.json" not in pushed.files and "notes.txt" in pushed.files


def test_private_models_are_made_private_and_never_public(hub, run) -> None:
    alphabar.push(run, PLACE, private=True)
    assert hub.models[NAME].private
    hub.models[NAME].private = False
    before = dict(hub.models[NAME].files)
    with pytest.raises(AlphabarError, match="is public, so nothing was uploaded"):
        alphabar.push(run, PLACE, private=True, step=4)
    assert hub.models[NAME].files == before


def test_a_repository_of_something_else_is_left_alone(hub, run) -> None:
    hub.models[NAME] = Model(files={".gitattributes": b"", "model.bin": b"theirs"})
    with pytest.raises(AlphabarError, match=r"holds no run of alphabar, but 1 other files, such as 'model\.bin'"):
        alphabar.push(run, PLACE)
    assert hub.models[NAME].files["model.bin"] == b"theirs" and len(hub.models[NAME].commits) == 1
    hub.models[NAME] = Model(files={".gitattributes": b""})  # made on the site, empty
    alphabar.push(run, PLACE)
    assert "config.json" in hub.models[NAME].files


@pytest.mark.heavy
def test_diffusers_loads_what_is_pushed_for_it(hub, run, tmp_path) -> None:
    diffusers = pytest.importorskip("diffusers")
    alphabar.push(run, PLACE, to="diffusers", out=tmp_path / "local", dtype="float32")
    pipe = diffusers.DDPMPipeline.from_pretrained(str(tmp_path / "local"))
    ours = alphabar.load(tmp_path / "local", device="cpu").denoiser.network
    x = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        theirs, own = pipe.unet(x, torch.tensor([3, 3])).sample, ours(x, torch.tensor([3.0, 3.0]))
    assert (theirs - own).abs().max() <= 2e-5 * own.abs().max()


# ---- what is said ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("", "without a token of the Hub; log in with `hf auth login`, or set HF_TOKEN"),
        ("hf_wrong", r"does not accept the token \(401\)"),
        (READ_ONLY, r"the token has no right to do that there \(403\)"),
    ],
)
def test_a_token_that_will_not_do_is_said(token, words, hub, run, monkeypatch) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(AlphabarError, match=words) as caught:
        alphabar.push(run, PLACE)
    assert "\n" not in str(caught.value) and not hub.models


def test_the_models_of_others_are_not_written(hub, run) -> None:
    for model in (None, Model(files={"config.json": b"{}", "checkpoints/step-00000001/manifest.json": b"{}"})):
        hub.models = {} if model is None else {"you/digits": model}
        with pytest.raises(AlphabarError, match=r"hf:you/digits cannot be pushed: the token has no right .* \(403\)"):
            alphabar.push(run, "hf:you/digits")


def test_a_model_that_is_not_there_is_said(hub, tmp_path) -> None:
    hub.models["you/hidden"] = Model(private=True)
    for name in ("hf:you/none", "hf:you/hidden"):
        hub.asked.clear()
        monkey = pytest.MonkeyPatch()
        monkey.setenv("HF_TOKEN", READ_ONLY)
        with (
            monkey.context(),
            pytest.raises(AlphabarError, match="there is no such model on the Hub, or it is private"),
        ):
            alphabar.pull(name, tmp_path / "back")
        monkey.undo()
    assert not list(tmp_path.glob("*back*"))


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_fault_of_the_hub_is_said_at_once(status, hub, run, tmp_path) -> None:
    hub.fails["/api/models/"] = status
    start = time.monotonic()
    for work in (lambda: alphabar.push(run, PLACE), lambda: alphabar.pull(PLACE, tmp_path / "back")):
        with pytest.raises(AlphabarError, match=rf"\({status}\); try again later"):
            work()
    assert time.monotonic() - start < 10 and not hub.models


def test_a_hub_that_is_not_reached_is_said_at_once(hub, run, tmp_path, monkeypatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    start = time.monotonic()
    for work in (lambda: alphabar.push(run, PLACE), lambda: alphabar.pull(PLACE, tmp_path / "back")):
        with pytest.raises(AlphabarError, match=r"the Hub cannot be reached \(.*\); check the connection"):
            work()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(AlphabarError, match="HF_HUB_OFFLINE is set"):
        alphabar.pull(PLACE, tmp_path / "back")
    assert time.monotonic() - start < 10


def test_a_licence_that_the_hub_does_not_know_is_said(hub, run) -> None:
    with pytest.raises(AlphabarError, match="license"):
        alphabar.push(run, PLACE, licence="my-own")
    for licence in ("MIT License", "", "a\nb", "--x"):
        with pytest.raises(AlphabarError, match="--license is an identifier of the Hub's"):
            alphabar.push(run, PLACE, licence=licence)


def test_mistakes_are_said_before_the_network_is_asked(hub, run, tmp_path) -> None:
    for work in (
        lambda: alphabar.push(tmp_path / "none", PLACE),
        lambda: alphabar.push(run, "me/digits"),
        lambda: alphabar.push(run, PLACE, to="onnx"),
        lambda: alphabar.push(run, PLACE, dtype="int8"),
        lambda: alphabar.push(run, PLACE, out=tmp_path),
        lambda: alphabar.pull(PLACE, tmp_path),
        lambda: alphabar.pull("hf:../..", tmp_path / "back"),
    ):
        with pytest.raises(AlphabarError):
            work()
    assert hub.asked == []


@pytest.mark.parametrize(
    ("request_", "status", "words"),
    [
        ("/commit/", 412, "somebody else has changed it meanwhile"),
        ("/preupload/", 403, r"no right to do that there \(403\)"),
        ("/objects/batch", 401, r"does not accept the token \(401\)"),
        ("PUT /lfs/", 403, r"no right to do that there \(403\)"),
        ("/validate-yaml", 400, r"the Hub refuses it \(400"),
    ],
)
def test_an_upload_that_fails_in_the_middle_leaves_no_commit(request_, status, words, hub, run) -> None:
    hub.fails[request_] = status
    with pytest.raises(AlphabarError, match=words) as caught:
        alphabar.push(run, PLACE)
    assert "\n" not in str(caught.value) and hub.models[NAME].files == {}


@pytest.mark.parametrize(
    ("status", "words"),
    [(500, r"\(500\); try again"), (403, r"\(403\)"), (401, "the token|private"), (404, "no such model|not there")],
)
def test_a_download_that_fails_in_the_middle_leaves_nothing(status, words, hub, pushed, tmp_path, monkeypatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)  # huggingface_hub tries a fault in the middle again
    hub.fails["/resolve/"] = status
    refused(tmp_path, words)
    assert sum(waited) < 30


# ---- hostile and damaged models ----------------------------------------------------------------------------------


def refused(tmp_path: Path, words: str) -> None:
    """A pull fails with these words, and leaves nothing behind."""
    before = files(tmp_path)
    with pytest.raises(AlphabarError, match=words) as caught:
        alphabar.pull(PLACE, tmp_path / "into" / "back")
    assert "\n" not in str(caught.value) and not list((tmp_path / "into").glob("*"))
    assert {name for name in files(tmp_path) if not name.startswith("cache/")} == before.keys()


def test_weights_that_were_changed_are_not_kept(hub, pushed, tmp_path) -> None:
    replaced(pushed, ".safetensors", lambda content: content[:-1] + bytes([content[-1] ^ 1]))
    refused(tmp_path, "is not what was pushed, and nothing of it is kept")


@pytest.mark.parametrize("change", [lambda x: x[:-1] + b"?", lambda x: x[:-7], lambda x: b""])
def test_a_file_damaged_on_its_way_is_not_kept(change, hub, pushed, tmp_path) -> None:
    for end in (".safetensors", "state.json"):
        (name,) = [name for name in pushed.files if name.endswith(end)]
        hub.spoilt = {name: change(pushed.files[name])}
        refused(tmp_path, "hf:me/digits")


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "/x",
        "a/../../x",
        "checkpoints/../../x.json",
        "..",
        "a\\..\\x",
        "*.json",
        "checkpoints/step-" + "1" * 5000 + "/x.json",
    ],
)
def test_a_name_that_leaves_the_folder_is_never_asked_for(name, hub, pushed, tmp_path) -> None:
    pushed.files |= {name: b"hostile", "run.py": b"hostile", "checkpoints/step-00000006/x.pkl": b"hostile"}
    hub.asked.clear()
    alphabar.pull(PLACE, tmp_path / "back")
    alphabar.load(PLACE, device="cpu")
    assert not any("hostile" in content.decode(errors="ignore") for content in files(tmp_path).values())
    assert not any(asked.endswith((name, "run.py", "x.pkl")) for asked in hub.asked)


def test_a_manifest_that_names_a_file_elsewhere_is_refused(hub, pushed, tmp_path) -> None:
    def hostile(content: bytes) -> bytes:
        manifest = json.loads(content)
        return json.dumps({"files": manifest["files"] | {"../../../x": "0" * 64}}).encode()

    replaced(pushed, "manifest.json", hostile)
    refused(tmp_path, "is not the name of a file in")


def test_a_file_that_no_manifest_lists_is_refused(hub, pushed, tmp_path) -> None:
    pushed.files["checkpoints/step-00000006/more.safetensors"] = b"x"
    refused(tmp_path, r"more\.safetensors, unlike its manifest")


def test_more_than_the_disk_has_or_a_run_needs_is_not_fetched(hub, pushed, tmp_path) -> None:
    (weights,) = [name for name in pushed.files if name.endswith(".safetensors")]
    for stated, words in (({weights: 1 << 60}, "MB are free"), ({"config.json": 1 << 30}, "which no file of settings")):
        hub.stated = stated
        hub.asked.clear()
        refused(tmp_path, words)
        assert not any("resolve" in asked for asked in hub.asked)
    hub.stated = {}
    pushed.files |= {f"checkpoints/step-00000006/{k}.safetensors": b"x" for k in range(40)}
    refused(tmp_path, "more than a run that was pushed")


def test_settings_that_fit_no_run_are_refused(hub, pushed, tmp_path) -> None:
    def changed(content: bytes) -> bytes:
        return json.dumps(json.loads(content) | {"config": {"x\x1b[31m": 1}}).encode()

    state = replaced(pushed, "state.json", changed)
    replaced(
        pushed, "manifest.json",
        lambda m: json.dumps({"files": json.loads(m)["files"] | {
            "state.json": hashlib.sha256(pushed.files[state]).hexdigest()}}).encode(),
    )  # fmt: skip
    refused(tmp_path, "do not fit this version of alphabar")
