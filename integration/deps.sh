#!/bin/sh
# Installs what the build and the tests need and this machine lacks (Debian).
set -eu
need=""
command -v gcc >/dev/null 2>&1 || need="$need gcc libc6-dev"
command -v fusermount3 >/dev/null 2>&1 || need="$need fuse3"
command -v rsync >/dev/null 2>&1 || need="$need rsync"
command -v getfattr >/dev/null 2>&1 || need="$need attr"
[ -z "$need" ] && exit 0
sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo
$sudo apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $need
