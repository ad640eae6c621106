"""Train a perceptron to tell two clouds of points apart. Put your own experiment here.

Coolrunner calls `main` with the experiment: read its parameters, add its results.
"""

import random


def cloud(center, spread, size, rng):
    """Return `size` points around (`center`, `center`)."""
    return [(rng.gauss(center, spread), rng.gauss(center, spread)) for _ in range(size)]


def main(exp):
    rng = random.Random(exp.seed)
    points = [(x, y, -1) for x, y in cloud(-1, exp.spread, 100, rng)]
    points += [(x, y, +1) for x, y in cloud(+1, exp.spread, 100, rng)]
    rng.shuffle(points)
    training, test = points[:150], points[150:]

    a = b = c = 0.0
    for _ in range(exp.epochs):
        mistakes = 0
        for x, y, label in training:
            if label * (a * x + b * y + c) <= 0:
                a, b, c = a + label * x, b + label * y, c + label
                mistakes += 1

    right = sum(label * (a * x + b * y + c) > 0 for x, y, label in test)
    print(f"{right} of {len(test)} points told apart, after {mistakes} mistakes in the last epoch")
    exp.ACCURACY = right / len(test)
    exp.MISTAKES = mistakes
