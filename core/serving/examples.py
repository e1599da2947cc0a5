"""Answers as they look, for the description of the interface."""

PREDICTION = {
    "path": "take five.mp3",
    "genre": "jazz",
    "probability": 0.91,
    "probabilities": {"jazz": 0.91, "blues": 0.06, "classical": 0.03},
    "uncertain": False,
    "reason": None,
    "duration_s": 5.2,
    "segments": [
        {
            "start_s": 0.0,
            "end_s": 3.0,
            "genre": "jazz",
            "probabilities": {"jazz": 0.94, "blues": 0.04, "classical": 0.02},
            "uncertain": False,
            "reason": None,
        },
        {
            "start_s": 2.2,
            "end_s": 5.2,
            "genre": "jazz",
            "probabilities": {"jazz": 0.87, "blues": 0.09, "classical": 0.04},
            "uncertain": False,
            "reason": None,
        },
    ],
    "stretches": [{"start_s": 0.0, "end_s": 5.2, "genre": "jazz", "probability": 0.905, "reason": None}],
    "model": "2026-11-22_14-03-11_gtzan-mini_small-cnn",
    "warning": None,
    "labels": ["jazz"],
}
UNREADABLE = {"path": "notes.txt", "error": "is not audio, or its beginning is damaged"}
SUMMARY = {
    "name": "2026-11-22_14-03-11_gtzan-mini_small-cnn",
    "state": "running",
    "model": "small_cnn",
    "dataset": "gtzan-mini",
    "epochs_done": 7,
    "epochs": 20,
    "best_val_accuracy": 0.71,
    "test_accuracy": None,
    "started": 1795442591.0,
    "seconds": 41.5,
}
STATE = {"name": SUMMARY["name"], "state": "running", "epoch": 8, "epochs": 20, "history": [
    {"epoch": 7, "train_loss": 0.171, "train_accuracy": 0.969, "val_loss": 0.951, "val_accuracy": 0.71},
]}  # fmt: skip
EVENT = (
    "id: 41\nevent: epoch_finished\n"
    'data: {"kind":"epoch_finished","schema":1,"seq":41,"time":1795442632.1,"epoch":7,"train_loss":0.171,'
    '"train_accuracy":0.969,"val_loss":0.951,"val_accuracy":0.71,"learning_rate":0.001,"is_best":true}\n\n'
)
MODEL = {
    "name": SUMMARY["name"],
    "network": "small_cnn",
    "genres": ["blues", "classical", "jazz"],
    "sample_rate": 22050,
    "window_seconds": 3.0,
    "temperature": 1.3,
    "device": "cpu",
}
