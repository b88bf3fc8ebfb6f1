"""Install pip into an empty virtual environment, for a machine that cannot reach the address of get-pip.

ansible-test calls this file as it calls get-pip: with pip's options and the packages to install.
"""

import subprocess
import sys

FOR_GET_PIP_ONLY = ("--no-setuptools", "--no-wheel")

# in a process of its own: ensurepip turns pip's configuration off for the whole process
subprocess.check_call([sys.executable, "-m", "ensurepip"], stdout=subprocess.DEVNULL)
wanted = [argument for argument in sys.argv[1:] if argument not in FOR_GET_PIP_ONLY]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *wanted]))
