// Package evaluate replays recorded availability of offerings in virtual time, and asks what each way of falling back would
// have cost: ours, with the real memory and the real chain, beside those of other autoscalers and an oracle. It is pure:
// years pass in seconds, and the same input gives the same figures.
package evaluate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"strings"
	"time"

	"floe.dev/floe/api/v1alpha1"
)

// Limits of what is read: beyond them a file is no recording of an offering.
const (
	maxGap   = 7 * 24 * time.Hour
	maxCount = 1_000_000
)

// Trace is the recording of one offering: how many instances could be had, and kept, at each tick.
type Trace struct {
	// Name is the file's, without its extension.
	Name string
	// Zone and Type are what the name says: "us-west-2a_v100_8" is v100.8 in us-west-2a. The folder belongs to the zone, so
	// that recordings of different years are different places.
	Zone, Type   string
	CapacityType v1alpha1.CapacityType
	Gap          time.Duration
	Counts       []int
}

// Length of the recording.
func (t Trace) Length() time.Duration { return time.Duration(len(t.Counts)) * t.Gap }

// Parse reads one recording:
//
//	{"metadata": {"gap_seconds": 600, "capacity_type": "spot"}, "data": [0, 1, 1, …]}
//
// data holds whole numbers, one for each tick: how many instances could be had, 0 is ICE. capacity_type is spot where it is
// missing; an on-demand recording limits the on-demand machines of its type and zone, which can be had always otherwise.
// Fields beyond these are not read. name is the file's path with slashes; an error begins with it and names the field.
func Parse(name string, data []byte) (Trace, error) {
	t, err := parse(data)
	if err != nil {
		return Trace{}, fmt.Errorf("%s: %w", name, err)
	}
	t.Name = strings.TrimSuffix(name, path.Ext(name))
	folder, file := path.Split(t.Name)
	zone, instanceType, found := strings.Cut(file, "_")
	if !found || zone == "" || instanceType == "" {
		zone, instanceType = file, "machine"
	}
	t.Zone, t.Type = folder+zone, strings.ReplaceAll(instanceType, "_", ".")
	return t, nil
}

func parse(data []byte) (t Trace, err error) {
	var file struct {
		Metadata *struct {
			GapSeconds   *float64               `json:"gap_seconds"`
			CapacityType *v1alpha1.CapacityType `json:"capacity_type"`
		} `json:"metadata"`
		Data []*float64 `json:"data"`
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(&file); err != nil {
		return t, fmt.Errorf("this is no recording, which is JSON with metadata.gap_seconds and data: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return t, errors.New("something follows after the recording's JSON: one file holds one recording")
	}
	if file.Metadata == nil || file.Metadata.GapSeconds == nil {
		return t, errors.New("metadata.gap_seconds is missing: say how many seconds lie between two numbers of data")
	}
	if gap := *file.Metadata.GapSeconds; !(gap >= 1 && gap <= maxGap.Seconds()) {
		return t, fmt.Errorf("metadata.gap_seconds is %v: it is to be at least 1 and at most %v (a week)", gap, maxGap.Seconds())
	}
	t.Gap = time.Duration(*file.Metadata.GapSeconds * float64(time.Second))
	t.CapacityType = v1alpha1.Spot
	if ct := file.Metadata.CapacityType; ct != nil {
		if *ct != v1alpha1.Spot && *ct != v1alpha1.OnDemand {
			return t, fmt.Errorf("metadata.capacity_type is %q: it is to be spot or on-demand", *ct)
		}
		t.CapacityType = *ct
	}
	if len(file.Data) == 0 {
		return t, errors.New("data is empty: it is to hold how many instances could be had at each tick")
	}
	t.Counts = make([]int, len(file.Data))
	for i, n := range file.Data {
		if n == nil || *n < 0 || *n > maxCount || *n != math.Trunc(*n) {
			return t, fmt.Errorf("data[%d] is %s: it is to be a whole number from 0 to %d", i, number(n), maxCount)
		}
		t.Counts[i] = int(*n)
	}
	return t, nil
}

func number(n *float64) string {
	if n == nil {
		return "null"
	}
	return fmt.Sprint(*n)
}
