"""Fits customer segments and names them: plain functions, DataFrame in, DataFrame out.

`segmentation.fit.fit_missing` turns transformed features into fits, a fit being rows of numbers.
`segmentation.naming.name_segments` gives every segment of a fit a name and says where it is from.
`segmentation.score` says which segment one customer is in, from an exported fit alone.
"""

from segmentation.scoring import Fit, ScoreError, load_fit, score

__all__ = ["Fit", "ScoreError", "load_fit", "score"]
