from datetime import datetime, timezone

from flask import Flask, abort

app = Flask(__name__)


def part_of_day(hour):
    return "night" if hour < 6 or hour >= 22 else "day"


@app.get("/")
def now():
    return {"utc": datetime.now(timezone.utc).isoformat(timespec="seconds")}


@app.get("/parts/<int:hour>")
def part(hour):
    if hour > 23:
        abort(404)
    return {"part": part_of_day(hour)}
