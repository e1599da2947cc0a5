"""A microphone is known by its name: waited for when it is unplugged, never replaced by another."""

import sys
from collections.abc import Callable

import numpy as np
import pytest

from core.audio.live import microphone
from core.audio.live.microphone import DeviceError, MicrophoneSource, choose_device, input_devices, rescan
from core.audio.live.source import State
from tests.support.fake_portaudio import FakePortAudio

Plug = Callable[..., FakePortAudio]
BLOCK = np.full((960, 2), 0.25, dtype=np.float32)


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Plug:
    monkeypatch.setattr(microphone, "RETRY_SECONDS", 0.0)

    def plugged(*names: str, default: int = 0) -> FakePortAudio:
        fake = FakePortAudio(*names, default=default)
        monkeypatch.setitem(sys.modules, "sounddevice", fake)
        return fake

    return plugged


def test_the_default_device_is_heard_as_one_channel(plug: Plug) -> None:
    fake = plug("Webcam", "USB mic", default=1)
    source = MicrophoneSource()
    fake.streams[-1].play(BLOCK)
    chunk = source.read(0.1)
    assert chunk is not None
    assert (source.device.name, chunk.rate, chunk.begins) == ("USB mic", 48_000, True)
    assert np.array_equal(chunk.samples, np.full(960, 0.25, dtype=np.float32))


def test_an_unplugged_microphone_is_waited_for_and_not_replaced(plug: Plug) -> None:
    fake = plug("Webcam", "USB mic", default=1)
    source = MicrophoneSource()
    fake.unplug("USB mic")
    for _ in range(3):
        assert source.read(0) is None
        assert source.condition.state is State.TROUBLE
        assert "USB mic is not connected" in source.condition.text
    assert len(fake.streams) == 1
    fake.plugged.insert(0, "USB mic")  # under another number
    source.read(0)
    assert source.condition.state is State.RECEIVING
    fake.streams[-1].play(BLOCK)
    chunk = source.read(0.1)
    assert chunk is not None and chunk.begins
    assert (fake.streams[-1].name, source.device.number) == ("USB mic", 0)


def test_errors_of_the_sound_system_during_a_rescan_are_outlived(plug: Plug) -> None:
    fake = plug("USB mic")
    source = MicrophoneSource()
    fake.unplug("USB mic")
    fake.errors = [fake.PortAudioError("host error"), fake.PortAudioError("host error")]
    fake.plugged.append("USB mic")
    source.read(0)
    assert "host error" in source.condition.text
    source.read(0)
    still = source.condition
    source.read(0)
    assert (still.state, source.condition.state) == (State.TROUBLE, State.RECEIVING)
    source.close()


def test_a_rescan_that_fails_is_a_sentence_and_the_next_one_works(plug: Plug) -> None:
    fake = plug("USB mic")
    fake.errors = [fake.PortAudioError("host error")]
    with pytest.raises(DeviceError, match="the sound system does not answer: host error"):
        rescan()
    with pytest.raises(DeviceError, match="does not answer"):
        input_devices()
    rescan()
    assert [device.name for device in input_devices()] == ["USB mic"]


def test_a_device_is_chosen_by_number_or_name(plug: Plug) -> None:
    plug("HD Webcam: USB Audio", "USB mic", "USB mic 2")
    assert choose_device(1).name == "USB mic"
    assert choose_device("usb MIC 2").number == 2
    assert choose_device("USB mic").number == 1
    assert choose_device("webcam").number == 0
    with pytest.raises(DeviceError, match="there are several input devices usb: 0: HD Webcam"):
        choose_device("usb")
    with pytest.raises(DeviceError, match="there is no input device Bluetooth: 0: HD"):
        choose_device("Bluetooth")
    with pytest.raises(DeviceError, match="there is no input device 7"):
        choose_device(7)
