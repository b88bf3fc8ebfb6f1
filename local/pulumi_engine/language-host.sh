#!/bin/sh
# Stands for pulumi-language-python in a built engine. The host that can be built (sdk/v3 at v3.78.1) takes the virtual
# environment as an argument, which today's engine no longer gives; so it is read from the project, where Pulumi runs it.
here=$(dirname "$(readlink -f "$0")")
venv=$(sed -n 's/^[^#]*virtualenv:[[:space:]]*["'\'']\{0,1\}\([^]["'\''{},#[:space:]]*\).*/\1/p' Pulumi.yaml 2>/dev/null | head -n 1)
exec "$here/libexec/pulumi-language-python" -use-executor "$here/pulumi-language-python-exec" -root "$PWD" \
  ${venv:+-virtualenv "$venv"} "$@"
