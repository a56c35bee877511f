#!/bin/sh
set -e
[ "$(printf 'one two\n three' | ./words)" = 3 ]
[ "$(./words </dev/null)" = 0 ]
echo 'words are counted'
