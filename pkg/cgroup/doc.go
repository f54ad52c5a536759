// SPDX-License-Identifier: Apache-2.0

// Package cgroup finds the cgroup v2 hierarchy and makes, fills, freezes, kills and removes the
// groups that jails live in: MOUNT/jail-ai.slice/ID, one directory a jail.
//
// Everything works on the cgroup2 mount alone, also on hybrid machines whose controllers are bound
// to v1: what a jail needs (membership, BPF attachment, freezing, killing) is there without any
// controller. Limits do need controllers; one that is asked for and missing is an error.
package cgroup
