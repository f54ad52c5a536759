// SPDX-License-Identifier: Apache-2.0

// Package e2e tests bin/jail-ai as its users run it: real commands in real jails, in network
// namespaces made for the test, with listeners that write down all that reaches them.
//
// Every refusal is shown three times: the call inside of the jail fails with the policy's errno,
// the listener that it was meant for has seen nothing, and the same call from outside of the jail,
// by the same program and user, does reach that listener.
//
// JAIL_AI_BIN names another binary than ../../bin/jail-ai. The tests need root; with
// JAIL_AI_REQUIRE_BPF=1 they fail without it instead of being skipped.
package e2e
