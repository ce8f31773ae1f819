"""Every number that decides how hard the simulated survey is."""

from dataclasses import dataclass

CLASSES = ("elliptical", "clockwise", "anticlockwise", "edge", "merger")
"""What a galaxy is, and what an expert may say."""

ANSWERS = (*CLASSES, "other")
"""What a volunteer may say: a class, or star / do not know."""


@dataclass(frozen=True, kw_only=True)
class Universe:
    """The simulated galaxies, telescope, volunteers and experts.

    Lengths are in pixels of the image, brightness in units of the sky noise of a pixel.
    Pairs are the median and the scatter (of the natural logarithm) of a log-normal draw,
    unless called a range, which is drawn uniformly.

    Examples
    --------
    >>> round(sum(Universe().shares), 6)
    1.0
    """

    # Telescope
    pixels: int = 64
    seeing: tuple[float, float] = (2.4, 0.28)  # full width at half maximum
    seeing_range: tuple[float, float] = (1.6, 5.0)  # never sharper, never worse

    # Galaxies
    shares: tuple[float, ...] = (0.40, 0.21, 0.21, 0.12, 0.06)  # in the order of CLASSES
    radius: tuple[float, float] = (7.0, 0.30)  # of half the light
    radius_range: tuple[float, float] = (3.5, 11.0)
    brightness: tuple[float, float] = (6.0, 0.65)  # mean inside the half-light radius
    arm_contrast: tuple[float, float] = (0.75, 0.45)  # of spiral arms over their disc
    flattest_elliptical: float = 0.42  # axis ratio; the roundest are round
    lenticulars: float = 0.4  # share of "ellipticals" that are discs without arms
    flattest_spiral: float = 0.38
    thickest_disc: float = 0.24  # of edge-on discs: scale height over scale length
    largest_bulge: float = 0.60  # share of a spiral's light
    blue_elliptical: float = 0.70  # 0 as red as old stars, 1 as blue as a young disc
    red_spiral: float = 0.95  # 0 as blue as a young disc, 1 as red as old stars
    merger_distance: tuple[float, float] = (0.8, 1.9)  # range, in half-light radii
    merger_ratio: tuple[float, float] = (0.45, 0.45)  # brightness of second nucleus to first
    neighbours: float = 1.2  # mean number of unrelated stars and galaxies in an image

    # What people see: the clarity of a galaxy is a logistic function of the logarithm of
    # its detail, the signal-to-noise ratio of that which shows its class.
    detail_half: float = 17.0  # the detail at which the clarity is one half
    detail_slope: float = 1.6

    # Volunteers
    volunteers: int = 2000
    votes_per_object: int = 40
    skill: tuple[float, float] = (1.0, 0.25)  # multiplies the evidence
    personal_bias: float = 0.5  # standard deviation of a volunteer's leaning to an answer
    evidence: float = 4.2  # log-odds for the right answer where all is clear
    smooth_bias: float = 3.2  # log-odds for "elliptical" where nothing is clear
    anticlockwise_bias: float = 0.5  # log-odds for this sense of any spiral that is unclear
    edge_bias: float = 2.2  # log-odds for "edge" of anything that looks thin
    merger_bias: float = -1.2  # log-odds for "merger": volunteers overlook them
    other_bias: float = -0.8  # log-odds for "other"
    shared_perturbation: float = 1.0  # scatter of log-odds that all volunteers of an object share

    # Experts
    expert_error: float = 0.14  # chance of an expert's error where nothing is clear
