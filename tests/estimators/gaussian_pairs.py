"""Print the MI of the draws in a CSV file, as if (x0, y0), (x1, y1), … were independent and Gaussian."""

import csv
import math
import statistics
import sys

with open(sys.argv[1], encoding="ascii") as file:
    rows = list(csv.DictReader(file))
columns = {name: [float(row[name]) for row in rows] for name in rows[0]}
pairs = [(columns[f"x{j}"], columns[f"y{j}"]) for j in range(len(columns) // 2)]
print(sum(-math.log1p(-(statistics.correlation(*pair) ** 2)) / 2 for pair in pairs))
