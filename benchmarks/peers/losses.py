"""Print the losses of models on the samples of all clients, as JSON: losses.py WORK.npz MODEL.npy ..."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from work import Work

if __name__ == "__main__":
    work = Work.read(Path(sys.argv[1]))
    print(json.dumps([work.loss(torch.from_numpy(np.load(path))) for path in sys.argv[2:]]))
