"""The algorithms once more, in plain NumPy, from the published recursions: what the framework must reproduce.

Notation: w server model, x_i a client's model, g_i its gradient, h_i and H memories, e and E what was lost.
Nothing of fedkd is used but the uniforms, which both must share.
"""

import numpy as np

from fedkd.keys import EVERYONE, key


def dither(x: np.ndarray, seed: int, purpose: str, k: int, client: int = EVERYONE) -> np.ndarray:
    """Subtractive dither with step RMS(x): q = round(x/s + u), C(x) = (q - u) s."""
    u = key(seed, purpose, k, client).dither(len(x))[0].numpy().astype(np.float64)
    s = np.sqrt(np.mean(x**2))
    return np.zeros_like(x) if s == 0 else (np.round(x / s + u) - u) * s


class Restated:
    """One object an algorithm: ``round(k)`` performs a round for all clients and returns w."""

    def __init__(self, name, gradient, dim, clients, gamma, rate, weight, seed):
        self.name, self.gradient, self.n = name, gradient, clients
        self.gamma, self.rate, self.weight, self.seed = gamma, rate, weight, seed
        self.w = np.zeros(dim)
        self.h = np.zeros((clients, dim))
        self.H = np.zeros((clients, dim))
        self.e = np.zeros((clients, dim))
        self.E = np.zeros(dim)

    def up(self, k, i, x):
        return dither(x, self.seed, "uplink", k, i)

    def down(self, k, x, i=EVERYONE):
        return dither(x, self.seed, "downlink", k, i)

    def models(self, k):
        """What every client trains from."""
        if self.name not in ("mcm", "rand_mcm"):
            return [self.w] * self.n
        who = range(self.n) if self.name == "rand_mcm" else [EVERYONE] * self.n
        om = [self.down(k, self.w - self.H[i], c) for i, c in enumerate(who)]
        x = [self.H[i] + om[i] for i in range(self.n)]
        self.H += self.rate * np.array(om)
        return x

    def mean(self, k, g):
        """G from the clients' gradients."""
        if self.name == "sgd":
            return np.mean(g, axis=0)
        if self.name in ("qsgd", "biqsgd"):
            return np.mean([self.up(k, i, g[i]) for i in range(self.n)], axis=0)
        if self.name == "doublesqueeze":
            sent = np.array([self.up(k, i, g[i] + self.e[i]) for i in range(self.n)])
            self.e = np.array(g) + self.e - sent
            return sent.mean(axis=0)
        change = np.array([self.up(k, i, g[i] - self.h[i]) for i in range(self.n)])
        mean = (self.h + change).mean(axis=0)
        self.h += self.rate * change
        return mean

    def round(self, k):
        g = [self.gradient(i, x) for i, x in enumerate(self.models(k))]
        step = self.gamma * self.mean(k, g)
        if self.name in ("biqsgd", "artemis"):
            step = self.down(k, step)
        if self.name in ("doublesqueeze", "dore"):
            wanted = step + self.weight * self.E
            step = self.down(k, wanted)
            self.E = wanted - step
        self.w = self.w - step
        return self.w
