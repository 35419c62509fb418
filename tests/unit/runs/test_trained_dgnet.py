"""A DG-Net run folder read back: generators, and the E_a that recognises people."""

from pathlib import Path

import pytest
import torch

from genreid.models.dgnet import to_normalised
from genreid.runs.trained_networks import has_dgnet, load_appearance, load_dgnet, load_reid_network
from tests.drawn_tensors import pair
from tests.tiny_dgnet_run import SIZE, save_dgnet, save_offline, save_teacher


def test_the_generating_networks_come_back_whole(tmp_path: Path) -> None:
    assert not has_dgnet(tmp_path)
    saved = save_dgnet(tmp_path)
    assert has_dgnet(tmp_path)
    loaded = load_dgnet(tmp_path)
    assert (loaded.size, loaded.step) == (SIZE, 9)
    images = to_normalised(pair(SIZE, 2).source.float())
    with torch.no_grad():
        images_again = [
            networks.decoder(networks.structure(images), networks.appearance(images).code)
            for networks in (saved, loaded.networks)
        ]
    assert images_again[0].shape == (2, 3, *SIZE)
    torch.testing.assert_close(images_again[1], images_again[0])
    assert not any(network.training for network in loaded.networks)


def test_people_are_recognised_by_the_last_appearance_encoder(tmp_path: Path) -> None:
    save_teacher(tmp_path)
    together = save_dgnet(tmp_path, seed=0).appearance
    first = load_appearance(tmp_path)
    later = save_offline(tmp_path, seed=1)
    second = load_appearance(tmp_path)
    assert (first.stage, second.stage, second.size, second.step) == ("dgnet", "offline", SIZE, 9)
    for loaded, saved in ((first, together), (second, later)):
        assert not loaded.network.training
        torch.testing.assert_close(loaded.network.state_dict(), saved.state_dict(), atol=0, rtol=0)
    torch.testing.assert_close(
        load_dgnet(tmp_path).networks.appearance.state_dict(), together.state_dict(), atol=0, rtol=0
    )
    assert load_reid_network(tmp_path).stage == "pretrained", "the teacher"


def test_a_run_in_the_middle_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save_dgnet(tmp_path, step=4)
    assert load_dgnet(tmp_path).step == load_appearance(tmp_path).step == 4
    assert caplog.text.count("stage dgnet is at step 4 of 9") == 2


def test_a_run_without_dgnet(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"holds no DG-Net \(no checkpoints at all\); .*`genreid train dgnet"
    ):
        load_dgnet(tmp_path / "nothing")
    save_teacher(tmp_path)
    assert not has_dgnet(tmp_path)
    for load in (load_dgnet, load_appearance):
        with pytest.raises(ValueError, match=r"holds no DG-Net \(identity\)"):
            load(tmp_path)
