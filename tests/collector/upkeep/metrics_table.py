"""The table of docs/metrics.md, from the rows that /metrics is made of: run as a module it prints it."""

from pe_collector.metrics.names import METRICS, PREFIX


def table():
    rows = ["| metric | kind | labels | what it says |", "|---|---|---|---|"]
    for metric in METRICS:
        labels = ", ".join(f"`{name}`" for name in metric.labels)
        rows.append(f"| `{PREFIX}{metric.name}` | {metric.kind} | {labels} | {metric.said} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(table(), end="")
