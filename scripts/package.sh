#!/bin/sh
# Writes what the package holds beside the binary: package.sh PROGRAM FOLDER.
set -eu
program=$1 folder=$2
rm -rf "$folder"
mkdir -p "$folder/man"
"$program" manual --into "$folder/man"
"$program" completions bash >"$folder/conclave.bash"
"$program" completions zsh >"$folder/_conclave"
"$program" completions fish >"$folder/conclave.fish"
