// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// clientLimit bounds what a client written with Go's own packages does.
const clientLimit = 5 * time.Second

// dialMany opens COUNT connections side by side and sends a line on each; all must be answered
// while all are open.
func dialMany(_ *script, args []string) (string, error) {
	network, addr := args[0], args[1]
	count, err := strconv.Atoi(args[2])
	if err != nil {
		return "", err
	}
	var (
		wg    sync.WaitGroup
		errs  = make([]error, count)
		conns = make([]net.Conn, count)
	)
	for i := range count {
		wg.Add(1)
		go func() {
			defer wg.Done()
			conns[i], errs[i] = net.DialTimeout(network, addr, clientLimit)
			if errs[i] == nil {
				errs[i] = exchange(conns[i], "many-"+strconv.Itoa(i))
			}
		}()
	}
	wg.Wait()
	var first error
	answered := 0
	for i := range count {
		switch {
		case errs[i] == nil:
			answered++
		case first == nil:
			first = errs[i]
		}
		if conns[i] != nil {
			_ = conns[i].Close()
		}
	}
	return strconv.Itoa(answered), first
}

// exchange sends a line and waits for something.
func exchange(c net.Conn, text string) error {
	if err := c.SetDeadline(time.Now().Add(clientLimit)); err != nil {
		return err
	}
	if _, err := c.Write(line(text)); err != nil {
		return err
	}
	_, err := c.Read(make([]byte, 2048))
	return err
}

// resolve asks the system's resolver as Go programs do.
func resolve(_ *script, args []string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), clientLimit)
	defer cancel()
	addrs, err := (&net.Resolver{PreferGo: true}).LookupHost(ctx, args[0])
	sort.Strings(addrs)
	return strings.Join(addrs, " "), err
}

// dnsQuery asks one server over one transport.
func dnsQuery(_ *script, args []string) (string, error) {
	network, server, host := args[0], args[1], args[2]
	ctx, cancel := context.WithTimeout(context.Background(), clientLimit)
	defer cancel()
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server)
	}}
	// The dot: no search list.
	addrs, err := r.LookupHost(ctx, host+".")
	sort.Strings(addrs)
	return strings.Join(addrs, " "), err
}

func httpGet(_ *script, args []string) (string, error) {
	client := http.Client{Timeout: clientLimit, Transport: &http.Transport{}}
	answer, err := client.Get(args[0])
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return strings.TrimSpace(string(body)), err
}

// httpServe answers every request for as long as the process lives, as a development server does.
func httpServe(_ *script, args []string) (string, error) {
	l, err := net.Listen("tcp", args[0])
	if err != nil {
		return "", err
	}
	page := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, args[1]+"\n")
	}
	go func() { _ = http.Serve(l, http.HandlerFunc(page)) }()
	return "", nil
}

// identity tells what this process is and has: ids, capabilities, no_new_privs, open descriptors.
func identity(*script, []string) (string, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "", err
	}
	var out []string
	for l := range strings.Lines(string(status)) {
		for _, field := range []string{"CapEff:", "CapPrm:", "CapBnd:", "CapInh:", "CapAmb:", "NoNewPrivs:"} {
			if value, ok := strings.CutPrefix(l, field); ok {
				out = append(out, field+strings.TrimSpace(value))
			}
		}
	}
	out = append(out, fmt.Sprintf("uid:%d gid:%d", os.Getuid(), os.Getgid()))
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return "", err
	}
	for _, fd := range fds {
		target, err := os.Readlink("/proc/self/fd/" + fd.Name())
		if err != nil {
			continue // the directory that was just read
		}
		out = append(out, "fd"+fd.Name()+"="+target)
	}
	return strings.Join(out, " "), nil
}
