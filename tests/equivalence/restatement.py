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


def zone(x: np.ndarray) -> np.ndarray:
    """Dead zone of .55 of the step RMS(x), or of what the largest value reaches; cells restored to their mean."""
    s = min(np.sqrt(np.mean(x**2)), np.abs(x).max() / 0.55 * (1 - 2.0**-20))
    if s == 0:
        return np.zeros_like(x)
    q = np.floor(np.abs(x) / s + 0.45)
    offset = np.float16((np.abs(x) / s - q)[q > 0].mean())
    return np.sign(x) * np.where(q > 0, (q + np.float64(offset)) * s, 0)


def one_bit(x: np.ndarray) -> np.ndarray:
    """Mean absolute value and signs."""
    return np.where(x < 0, -1.0, 1.0) * np.abs(x).mean()


CONTRACTIVE_UP, CONTRACTIVE_DOWN = ("ef21", "ef21_bc"), ("ef21_bc", "ef21_p_diana")


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
        if self.name == "dist_ef_sgd":
            return one_bit(x)
        return zone(x) if self.name in CONTRACTIVE_UP else dither(x, self.seed, "uplink", k, i)

    def down(self, k, x, i=EVERYONE):
        if self.name == "dist_ef_sgd":
            return one_bit(x)
        return zone(x) if self.name in CONTRACTIVE_DOWN else dither(x, self.seed, "downlink", k, i)

    def models(self, k):
        """What every client trains from."""
        if self.name == "marina_p":
            return self.moved(k)
        if self.name not in ("mcm", "rand_mcm", *CONTRACTIVE_DOWN):
            return [self.w] * self.n
        who = range(self.n) if self.name == "rand_mcm" else [EVERYONE] * self.n
        om = [self.down(k, self.w - self.H[i], c) for i, c in enumerate(who)]
        x = [self.H[i] + om[i] for i in range(self.n)]
        self.H += (1.0 if self.name in CONTRACTIVE_DOWN else self.rate) * np.array(om)
        return x

    def moved(self, k):
        """MARINA-P: H_i is what client i holds, E the server's model of the round before."""
        coin = float(key(self.seed, "downlink", k).fold("whole").uniforms(1)[0, 0]) < 0.25
        if k == 0 or coin:
            self.H[:] = self.w
        else:
            self.H += [self.down(k, self.w - self.E, i) for i in range(self.n)]
        self.E = self.w
        return self.H.copy()

    def mean(self, k, g):
        """G from the clients' gradients."""
        if self.name in ("sgd", "marina_p"):
            return np.mean(g, axis=0)
        if self.name in ("qsgd", "biqsgd"):
            return np.mean([self.up(k, i, g[i]) for i in range(self.n)], axis=0)
        if self.name in ("doublesqueeze", "dist_ef_sgd"):
            sent = np.array([self.up(k, i, g[i] + self.e[i]) for i in range(self.n)])
            self.e = np.array(g) + self.e - sent
            return sent.mean(axis=0)
        change = np.array([self.up(k, i, g[i] - self.h[i]) for i in range(self.n)])
        mean = (self.h + change).mean(axis=0)
        self.h += (1.0 if self.name in CONTRACTIVE_UP else self.rate) * change
        return mean

    def round(self, k):
        g = [self.gradient(i, x) for i, x in enumerate(self.models(k))]
        step = self.gamma * self.mean(k, g)
        if self.name in ("biqsgd", "artemis"):
            step = self.down(k, step)
        if self.name in ("doublesqueeze", "dore", "dist_ef_sgd"):
            wanted = step + self.weight * self.E
            step = self.down(k, wanted)
            self.E = wanted - step
        self.w = self.w - step
        return self.w
