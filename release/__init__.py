"""What makes a release, and what CI holds one to before there is one. Tools are uv and this checkout's own environment.

* ``python -m release 1.2.3``   version, changelog, wheel and sdist, tried as users install them
* ``python -m release.wheel``   build and try them, and leave nothing
* ``python -m release.lock``    the pinned versions and the ranges, against what the registry serves today

Nothing is uploaded: the name on PyPI belongs to another project.
"""
