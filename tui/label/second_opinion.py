"""The second opinion on labels: a trained model, or a pretrained encoder; and the dialog that chooses it."""

import asyncio
from pathlib import Path
from typing import NamedTuple

from core.inference.find_model import ModelChoice, list_models
from core.models.encoders.load import GET
from core.models.encoders.registry import encoder_folder, encoder_names, is_installed
from tui.dialogs.pickers import ModelPicker
from tui.shell.base import BaseApp


class Opinion(NamedTuple):
    """``source`` is a model file or the folder of an encoder."""

    name: str
    source: Path
    is_encoder: bool = False


async def pick_opinion(app: BaseApp, current: Opinion | None, *, encoders_only: bool) -> Opinion | None:
    """Ask for a model or an encoder; None if cancelled. Call from a worker only."""
    models = [] if encoders_only else await asyncio.to_thread(list_models, app.runs_dir)
    encoders = [_choice(name) for name in encoder_names()]
    title = "Choose an encoder to learn by" if encoders_only else "Choose a second opinion: a model or an encoder"
    source = None if current is None else current.source
    picked: tuple[ModelChoice, bool] | None = await app.push_screen_wait(
        ModelPicker([*models, *encoders], source, title=title, for_now_only=True)
    )
    return None if picked is None else Opinion(picked[0].name, picked[0].path, picked[0] in encoders)


def _choice(name: str) -> ModelChoice:
    caveats = () if is_installed(name) else (f"not installed: {GET} {name}",)
    return ModelChoice(name=name, path=encoder_folder(name), network="encoder", caveats=caveats)
