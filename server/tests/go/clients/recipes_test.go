package clients

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/client/v3/concurrency"
	recipe "go.etcd.io/etcd/client/v3/experimental/recipes"
)

// within runs something that takes no context (the recipes do not) and fails the test if it does not end.
func within(ctx context.Context, t testing.TB, what string, do func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	case <-ctx.Done():
		t.Fatalf("%s: still waiting after %v", what, bound)
	}
}

func TestAQueueGivesEveryItemOnceAndEachProducersInOrder(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	const items = 25
	var producers sync.WaitGroup
	for _, name := range []string{"red", "blue"} {
		producers.Go(func() {
			queue := recipe.NewQueue(c, p)
			for n := range items {
				if err := queue.Enqueue(fmt.Sprint(name, " ", n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	queue, next := recipe.NewQueue(c, p), map[string]int{}
	within(ctx, t, "dequeue", func() error {
		for range 2 * items {
			item, err := queue.Dequeue()
			if err != nil {
				return err
			}
			name, number, _ := strings.Cut(item, " ")
			if number != fmt.Sprint(next[name]) {
				return fmt.Errorf("%s came when %d was due", item, next[name])
			}
			next[name]++
		}
		return nil
	})
	producers.Wait()
	equal(t, "what is left", "", values(ctx, t, c, p))
}

func TestADequeueWaitsForAnItem(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	got := make(chan string, 1)
	go func() {
		item, err := recipe.NewQueue(c, p).Dequeue()
		got <- fmt.Sprint(item, err)
	}()
	within(ctx, t, "enqueue", func() error { return recipe.NewQueue(c, p).Enqueue("late") })
	within(ctx, t, "dequeue", func() error {
		if item := <-got; item != "late<nil>" {
			return fmt.Errorf("got %s", item)
		}
		return nil
	})
}

func TestAPriorityQueueGivesTheMostUrgentFirst(t *testing.T) {
	c, ctx := connect(t)
	queue := recipe.NewPriorityQueue(c, prefix(t))
	within(ctx, t, "the queue", func() error {
		for _, priority := range []uint16{3, 1, 2, 1} {
			if err := queue.Enqueue(fmt.Sprint("p", priority), priority); err != nil {
				return err
			}
		}
		for _, want := range []string{"p1", "p1", "p2", "p3"} {
			if item, err := queue.Dequeue(); err != nil || item != want {
				return fmt.Errorf("want %s, got %s, %v", want, item, err)
			}
		}
		return nil
	})
}

func TestABarrierHoldsUntilItIsReleased(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	barrier := recipe.NewBarrier(c, p)
	within(ctx, t, "hold", barrier.Hold)
	var passed atomic.Int32
	var waiting sync.WaitGroup
	for range 3 {
		waiting.Go(func() {
			if err := recipe.NewBarrier(c, p).Wait(); err != nil {
				t.Error(err)
			}
			passed.Add(1)
		})
	}
	if err := recipe.NewBarrier(c, p).Hold(); err == nil {
		t.Error("a held barrier can be held again")
	}
	equal(t, "who passed a held barrier", 0, passed.Load())
	within(ctx, t, "release", barrier.Release)
	within(ctx, t, "wait", func() error { waiting.Wait(); return nil })
	equal(t, "who passed a released barrier", 3, passed.Load())
}

func TestADoubleBarrierLetsAllInTogetherAndOutTogether(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	const count = 4
	var entered, leaving atomic.Int32
	var all sync.WaitGroup
	for range count {
		barrier := recipe.NewDoubleBarrier(session(t, c, 60), p, count)
		all.Go(func() {
			entered.Add(1)
			if err := barrier.Enter(); err != nil {
				t.Error(err)
			}
			if n := entered.Load(); n != count {
				t.Errorf("inside with %d at the door", n)
			}
			leaving.Add(1)
			if err := barrier.Leave(); err != nil {
				t.Error(err)
			}
			if n := leaving.Load(); n != count {
				t.Errorf("outside with %d leaving", n)
			}
		})
	}
	within(ctx, t, "the barrier", func() error { all.Wait(); return nil })
}

func TestARWMutexKeepsWritersAlone(t *testing.T) {
	c, ctx := connect(t)
	p := prefix(t)
	var readers, writers atomic.Int32
	var all sync.WaitGroup
	enter := func(lock, unlock func() error, inside func()) {
		all.Go(func() {
			for range 5 {
				if err := lock(); err != nil {
					t.Error(err)
					return
				}
				inside()
				if err := unlock(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	mutex := func() *recipe.RWMutex { return recipe.NewRWMutex(session(t, c, 60), p) }
	for range 2 {
		reader := mutex()
		enter(reader.RLock, reader.RUnlock, func() {
			readers.Add(1)
			if n := writers.Load(); n != 0 {
				t.Errorf("a reader inside with %d writers", n)
			}
			readers.Add(-1)
		})
		writer := mutex()
		enter(writer.Lock, writer.Unlock, func() {
			if n := writers.Add(1); n != 1 || readers.Load() != 0 {
				t.Errorf("a writer inside with %d writers and %d readers", n-1, readers.Load())
			}
			time.Sleep(time.Millisecond)
			writers.Add(-1)
		})
	}
	within(ctx, t, "the mutex", func() error { all.Wait(); return nil })
}

func TestALockerIsAMutexOfGo(t *testing.T) {
	c, ctx := connect(t)
	locker := concurrency.NewLocker(session(t, c, 60), prefix(t))
	within(ctx, t, "the locker", func() error {
		locker.Lock()
		defer locker.Unlock()
		return nil
	})
}
