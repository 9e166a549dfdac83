#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-desktop-resize.sh - the desktop gets the size of the viewer's window, and its picture fills that, pixel by pixel
set -eu
. tests/lib/appliance.sh
. tests/lib/viewer.sh
. tests/lib/resize.sh

viewer_begin 1
resize_begin

resize_to 840 600 840
resize_to 1200 800 1200
# widths are multiples of 8 in the guest: what is left over are narrow bars, the picture is not blurred
resize_to 1005 701 1000
appliance_stop
