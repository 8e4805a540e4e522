#!/usr/bin/env bash
# node_key.sh FILE: a node's key pair, FILE (stays on the node) and FILE.pub (is registered with the SuperLink).
source "$(dirname "$0")/environment.sh"
need 1 "$0" "$@"
mkdir -p "$(dirname "$1")"
say "a node's key pair: $1 (keep it on the node), $1.pub (register it)"
ssh-keygen -q -t ecdsa -b 384 -N "" -C "fedkd node" -f "$1"
