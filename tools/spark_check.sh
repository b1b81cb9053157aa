#!/bin/sh
# The engines' digest test on a Spark cluster of two workers. Spark (0.5 GB) lives in .spark, beside the environment:
# nobody else's imports change. What cannot be had here is said by name, and only that part is skipped.
set -eu
if ! command -v java >/dev/null 2>&1; then
    if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
        echo "spark: installing openjdk-17-jre-headless with apt-get"
        { apt-get install -y -q openjdk-17-jre-headless || { apt-get update -q && apt-get install -y -q openjdk-17-jre-headless; }; } >/dev/null 2>&1 || true
    fi
fi
if ! command -v java >/dev/null 2>&1; then
    echo "spark: SKIPPED, there is no Java here: the Spark cluster was not tried"
    exit 0
fi
if ! cmp -s requirements/spark.txt .spark/requirements.txt; then
    echo "spark: installing what requirements/spark.txt pins into .spark"
    rm -rf .spark
    if ! .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes --target .spark -r requirements/spark.txt; then
        echo "spark: SKIPPED, pyspark could not be installed: the Spark cluster was not tried"
        rm -rf .spark
        exit 0
    fi
    cp requirements/spark.txt .spark/requirements.txt
fi
PYTHONPATH="$PWD/.spark" .venv/bin/python -m pytest -q -m spark tests/engines tests/journeys/test_other_engines.py
