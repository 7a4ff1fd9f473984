#!/bin/sh
# Installs what the build and the tests need and this machine lacks (Debian).
set -eu
need=""
command -v gcc >/dev/null 2>&1 || need="$need gcc libc6-dev"
command -v fusermount3 >/dev/null 2>&1 || need="$need fuse3"
command -v rsync >/dev/null 2>&1 || need="$need rsync"
command -v getfattr >/dev/null 2>&1 || need="$need attr"
command -v setfacl >/dev/null 2>&1 || need="$need acl"
command -v setcap >/dev/null 2>&1 || [ -x /usr/sbin/setcap ] || need="$need libcap2-bin"
command -v git >/dev/null 2>&1 || need="$need git"
command -v sqlite3 >/dev/null 2>&1 || need="$need sqlite3"
command -v fio >/dev/null 2>&1 || need="$need fio"
command -v stress-ng >/dev/null 2>&1 || need="$need stress-ng"
[ -z "$need" ] && exit 0
sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo
$sudo apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $need
