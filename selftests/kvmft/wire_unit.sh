#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# needs: machine
#
# The parts of the module that need no kernel, in a program: selftests/wire.
exec "$KVMFT_BUILD/selftests/wire/unit"
