"""Train a scikit-learn classifier to read handwritten digits, and measure how well it does.

The data come with scikit-learn: 1,797 real images of 8 by 8 pixels, in ten classes.
"""

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def main(exp):
    """Train ``exp.estimator`` with ``exp.settings``; parameters and results are told in README.md."""
    images, labels = load_digits(return_X_y=True)
    train_images, test_images, train_labels, test_labels = train_test_split(
        images / 16,  # pixels are 0 to 16
        labels,
        test_size=exp.get("test_size", 0.25),
        stratify=labels,
        random_state=exp.seed,
    )
    classifier = exp.estimator(**exp.get("settings", {}))
    if "random_state" in classifier.get_params():
        classifier.set_params(random_state=exp.seed)

    classifier.fit(train_images, train_labels)
    exp.ACCURACY = classifier.score(test_images, test_labels)
    exp.TRAIN_ACCURACY = classifier.score(train_images, train_labels)
    exp.ERRORS = round((1 - exp.ACCURACY) * len(test_labels))
    print(f"{exp.ACCURACY:.1%} of {len(test_labels)} test images read right ({exp.ERRORS} wrong)")
