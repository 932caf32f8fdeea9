"""Recomputes what `tutin calc` made of the recorded gas turbine, from the formulas, with numpy.

    gas_turbine.py RECORDING.csv AVERAGES.csv

Written from the published formulas and the numbers in gas-turbine.toml, not from the program. Prints how many values were compared
and the largest relative difference; exits with 1 when one differs by more than 1e-9 or is missing.
"""

import csv
import sys
from datetime import datetime, timedelta, timezone

import numpy as np

ZERO, STANDARD = 273.15, 101325.0
MOISTURE, OXYGEN, REFERENCE, FLOW = 7.0, 14.2, 15.0, 812000.0
NO, NO2 = 30.006, 46.0055
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
ALMATY = timedelta(hours=5)


def column(rows, name):
    return np.array([float(row[name]) for row in rows])


def normalized(measured, a, b, celsius, pascal):
    calibrated = a + b * measured
    standard = calibrated * (ZERO + celsius) / ZERO * STANDARD / pascal
    return standard / (1 - MOISTURE / 100)


def at_reference(dry):
    return dry * (21 - REFERENCE) / (21 - OXYGEN)


def half_up(value, decimals):
    from decimal import ROUND_HALF_UP, Decimal

    return float(Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP))


def hours(rows):
    """One dictionary for each hour: parameter -> expected numbers."""
    celsius = column(rows, "turbine_after_temperature_c")
    pascal = (column(rows, "ambient_pressure_mbar") + column(rows, "exhaust_pressure_mbar")) * 100
    co = normalized(column(rows, "co_mg_m3"), -0.3, 1.043, celsius, pascal)
    nox = normalized(column(rows, "nox_mg_m3"), 1.7, 0.981, celsius, pascal)
    for hour in range((len(rows) + 59) // 60):
        block = slice(60 * hour, 60 * hour + 60)
        count = len(co[block])
        enough = count / 60 >= 2 / 3
        result = {}
        for name, values, decimals in (("CO", co[block], 2), ("NOx", nox[block], 1)):
            mean = values.mean()
            corrected = at_reference(mean)
            validated = max(0.0, corrected - 0.1 * 30.0) if name == "CO" else max(0.0, corrected)
            kg_h = mean * FLOW * 1e-6
            result[name] = {
                "mean": mean,
                "corrected": corrected,
                "min": values.min(),
                "max": values.max(),
                "validated": validated if enough else None,
                "value": half_up(validated, decimals) if enough else None,
                "mass_g_s": kg_h / 3.6 if enough else None,
                "mass_kg": kg_h if enough else None,
                "oxygen": OXYGEN,
            }
        share = (1 - 0.08) * NO / NO2
        no = {key: result["NOx"][key] * share for key in ("mean", "corrected")}
        no["validated"] = no["mean"] if enough else None
        result["NO"] = no
        for name, values in (
            ("temperature", celsius[block]),
            ("barometer", pascal[block] / 100 - column(rows[block], "exhaust_pressure_mbar")),
            ("exhaust", column(rows[block], "exhaust_pressure_mbar")),
        ):
            result[name] = {"mean": values.mean()}
        yield START + timedelta(hours=hour), count, enough, result


def days(by_hour):
    """Local days, from the hours that count."""
    groups = {}
    for start, _, enough, result in by_hour:
        day = (start + ALMATY).replace(hour=0) - ALMATY
        groups.setdefault(day, []).append((enough, result))
    for day, members in groups.items():
        counted = [result for enough, result in members if enough]
        enough = len(counted) >= 18
        result = {}
        for name in ("CO", "NOx"):
            kg = np.sum([one[name]["mass_kg"] for one in counted])
            result[name] = {
                "mean": np.mean([one[name]["mean"] for one in counted]),
                "corrected": np.mean([one[name]["corrected"] for one in counted]),
                "validated": np.mean([one[name]["validated"] for one in counted]) if enough else None,
                "mass_kg": kg,
                "mass_g_s": kg * 1000 / (3600 * len(counted)),
            }
        yield day, len(counted), enough, result


def main():
    with open(sys.argv[1], newline="") as file:
        rows = list(csv.DictReader(file))
    with open(sys.argv[2], newline="") as file:
        found = {(row["rule_set"], row["parameter"], row["start"]): row for row in csv.DictReader(file)}
    by_hour = list(hours(rows))
    compared, worst, wrong = 0, 0.0, []
    for rule_set, blocks in (("hours", by_hour), ("days", list(days(by_hour)))):
        for start, count, enough, result in blocks:
            for name, numbers in result.items():
                key = (rule_set, name, start.strftime("%Y-%m-%dT%H:%M:%SZ"))
                row = found.get(key)
                if row is None:
                    wrong.append(f"{key} is missing")
                    continue
                if int(row["valid"]) != count or (row["state"] == "valid") != enough:
                    wrong.append(f"{key}: {row['valid']} valid, {row['state']}; expected {count}, {enough}")
                for member, expected in numbers.items():
                    text = row[member]
                    if expected is None or text == "":
                        if (expected is None) != (text == ""):
                            wrong.append(f"{key} {member}: {text!r}, expected {expected}")
                        continue
                    difference = abs(float(text) - expected) / max(abs(expected), 1e-12)
                    compared, worst = compared + 1, max(worst, difference)
                    if not difference <= 1e-9:
                        wrong.append(f"{key} {member}: {text}, expected {expected!r}")
    print(f"{compared} values compared, the largest relative difference is {worst:.1e}")
    for line in wrong[:20]:
        print(line)
    return 1 if wrong or compared == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
