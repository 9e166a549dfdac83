#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# autogen.sh - makes ./configure out of configure.ac (autoreconf runs autopoint for po/)
set -e
cd "$(dirname "$0")"
mkdir -p m4 build-aux
exec autoreconf -fi
