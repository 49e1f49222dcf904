"""clip-retrieval's inference on the files of benchmarks/encode_files.py, in an environment of its own that need hold
nothing of ours.

`PYTHON encode_clip_retrieval.py MODEL PICTURES OUT BATCH WORKERS`; prints one line of JSON. The seconds are of its own
record: reading, inference and writing, batch by batch. Importing, loading and warming up are not in it.
"""

import json
import sys
from pathlib import Path

from clip_retrieval import clip_inference


def main(model: str, pictures: str, out: str, batch: int, workers: int) -> None:
    """Embeds a folder of pictures into OUT/img_emb/img_emb_0.npy, its rows in the order of names."""
    clip_inference(
        input_dataset=pictures, output_folder=out, clip_model=f"hf_clip:{model}", batch_size=batch,
        num_prepro_workers=workers, enable_text=False,
    )  # fmt: skip
    record = json.loads((Path(out) / "stats" / "0.json").read_text())
    # Its progress line has no end.
    print("\n" + json.dumps({"seconds": record["total_duration"]}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
