// gofiles: package os over the file server, and that a call that waits stops only the goroutine that makes it.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

func check(ok bool, format string, args ...any) {
	if !ok {
		fmt.Printf("GOFS: wrong: "+format+"\n", args...)
		os.Exit(1)
	}
}

func must(err error) {
	check(err == nil, "%v", err)
}

func files() {
	big := bytes.Repeat([]byte("0123456789abcdef"), 20000)
	must(os.WriteFile("/big", big, 0644))
	back, err := os.ReadFile("/big")
	must(err)
	check(bytes.Equal(back, big), "%d bytes came back of %d", len(back), len(big))

	f, err := os.OpenFile("/big", os.O_RDWR, 0)
	must(err)
	_, err = f.WriteAt([]byte("XYZ"), 100)
	must(err)
	at, err := f.Seek(98, io.SeekStart)
	must(err)
	b := make([]byte, 6)
	_, err = io.ReadFull(f, b)
	must(err)
	check(at == 98 && string(b) == "23XYZ7", "read %q", b)
	must(f.Truncate(10))
	info, err := f.Stat()
	must(err)
	check(info.Size() == 10 && info.Name() == "big" && info.Mode().IsRegular(), "%v", info)
	must(f.Sync())
	must(f.Close())
	check(errors.Is(f.Close(), os.ErrClosed), "closed twice")
	_, err = f.Read(b)
	check(err != nil, "read of a closed file")

	a, err := os.OpenFile("/big", os.O_WRONLY|os.O_APPEND, 0)
	must(err)
	_, err = a.WriteString("+more")
	must(err)
	must(a.Close())
	back, err = os.ReadFile("/big")
	must(err)
	check(string(back) == "0123456789+more", "appended: %q", back)
}

func directories() {
	must(os.Mkdir("/d", 0755))
	for _, name := range []string{"c", "a", "b"} {
		must(os.WriteFile("/d/"+name, []byte(name), 0644))
	}
	must(os.Mkdir("/d/sub", 0755))
	entries, err := os.ReadDir("/d")
	must(err)
	names := ""
	for _, e := range entries {
		names += e.Name()
		check(e.IsDir() == (e.Name() == "sub"), "type of %s", e.Name())
	}
	check(names == "abcsub", "entries %q", names)
	info, err := os.Stat("/d/sub")
	must(err)
	check(info.IsDir() && time.Since(info.ModTime()) < time.Hour, "%v", info)
	must(os.Rename("/d/a", "/d/sub/z"))
	must(os.Symlink("sub/z", "/d/link"))
	to, err := os.Readlink("/d/link")
	must(err)
	text, err := os.ReadFile("/d/link")
	must(err)
	check(to == "sub/z" && string(text) == "a", "link to %q has %q", to, text)
	must(os.Chdir("/d/sub"))
	cwd, err := os.Getwd()
	must(err)
	text, err = os.ReadFile("z")
	must(err)
	check(cwd == "/d/sub" && string(text) == "a", "in %q %q", cwd, text)
	must(os.Remove("/d/sub/z"))
	must(os.Remove("/d/sub"))
}

func refused() {
	_, err := os.Open("/nowhere")
	var pe *fs.PathError
	check(errors.Is(err, os.ErrNotExist) && errors.As(err, &pe) && pe.Path == "/nowhere", "%v", err)
	check(errors.Is(os.Mkdir("/d", 0755), os.ErrExist), "made twice")
	check(os.Remove("/d") != nil, "a full directory was removed")
	_, err = os.ReadDir("/big")
	check(err != nil, "a file was read as a directory")
	check(os.WriteFile("/boot/new", nil, 0644) != nil, "the initrd was written to")
}

// A goroutine waits at a pipe's end; ticker, file reads and the writer's own sleep go on.
func waiting() {
	r, w, err := os.Pipe()
	must(err)
	lines := make(chan string)
	go func() {
		for s := bufio.NewScanner(r); s.Scan(); {
			lines <- s.Text()
		}
		close(lines)
	}()
	ticks := 0
	go func() {
		for {
			time.Sleep(time.Millisecond)
			ticks++
		}
	}()
	reads := 0
	go func() {
		for {
			_, err := os.ReadFile("/big")
			must(err)
			reads++
		}
	}()
	for i := 0; i < 5; i++ {
		before, readBefore := ticks, reads
		for ticks < before+3 || reads < readBefore+3 {
			time.Sleep(time.Millisecond)
		}
		fmt.Fprintf(w, "line %d\n", i)
		check(<-lines == fmt.Sprintf("line %d", i), "line %d", i)
	}
	must(w.Close())
	_, open := <-lines
	check(!open, "the pipe did not end")
	must(r.Close())
}

// More goroutines wait than there are helper threads, each for another one.
func crowd() {
	const many = 100
	first, w, err := os.Pipe()
	must(err)
	r := first
	for i := 0; i < many; i++ {
		in := r
		next, out, err := os.Pipe()
		must(err)
		go func() {
			b, err := io.ReadAll(in)
			must(err)
			_, err = out.Write(append(b, '.'))
			must(err)
			must(in.Close())
			must(out.Close())
		}()
		r = next
	}
	time.Sleep(5 * time.Millisecond)
	must(w.Close())
	b, err := io.ReadAll(r)
	must(err)
	check(string(b) == strings.Repeat(".", many), "%d of %d", len(b), many)
}

func main() {
	for _, c := range []struct {
		name string
		run  func()
	}{{"files", files}, {"directories", directories}, {"refused", refused}, {"waiting", waiting}, {"crowd", crowd}} {
		c.run()
		fmt.Printf("GOFS: %s\n", c.name)
	}
	fmt.Printf("GOFS: ok nonce=%s\n", os.Getenv("NONCE"))
}
