"""Let tools that predate pyproject.toml build the package."""

from setuptools import setup

setup()
