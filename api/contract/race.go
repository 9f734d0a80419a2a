package contract

import (
	"time"
)

// SignalProven (Proven) tells a Standby that a machine of a race has proven itself and waits for its word; SignalOpen
// (OpenOrder) is that word, to the machine's Resume. SignalCold (ColdReport) tells a Standby what became of a cold machine
// of a race.
const (
	SignalProven = "proven"
	SignalOpen   = "open"
	SignalCold   = "cold"
)

// StandbyRace is a claim for which more may be woken or bought than it asked for: those that are ready first take its
// seats, one for each machine that it asked for, and the others go back.
type StandbyRace struct {
	Claim Claim      `json:"claim"`
	Seats []RaceSeat `json:"seats"`
	Begun time.Time  `json:"begun"`
	// ColdAt is when cold machines are bought for the seats that are free still; zero: never, or it was done.
	ColdAt time.Time `json:"coldAt,omitzero"`
	// Launch is the ScaleUp that buys them, and Launching says that it is open.
	Launch    string `json:"launch,omitempty"`
	Launching bool   `json:"launching,omitempty"`
	// Cold are the machines that it brought and that are not ready yet.
	Cold []string `json:"cold,omitempty"`
	// Sent are those of them that were told to go.
	Sent []string `json:"sent,omitempty"`
}

// RaceSeat is the place of one machine that was asked for.
type RaceSeat struct {
	// Named is the machine that the ScaleUp was told of.
	Named string `json:"named"`
	// Pods (namespace/name) that are meant for whichever takes the seat.
	Pods []string `json:"pods,omitempty"`
	// Taken is the machine that was ready first; empty: none yet.
	Taken string `json:"taken,omitempty"`
}

// Asking has a Resume ask a Standby before it opens its Node to pods.
type Asking struct {
	// Standby is the workflow to ask, and Claim the key of the claim that the machine was woken for.
	Standby string `json:"standby"`
	Claim   string `json:"claim"`
}

// Proven is a Resume's question: its machine has proven itself; is it to be opened to pods?
type Proven struct {
	Claim    string `json:"claim"`
	Instance string `json:"instance"`
	// ReplyTo is the Resume, and SignalOpen.
	ReplyTo ReplyTo `json:"replyTo"`
}

// OpenOrder is a Standby's word to a Resume that has asked.
type OpenOrder struct {
	// Open the Node to pods; else the machine goes back to sleep, and Reason says why.
	Open   bool   `json:"open"`
	Reason string `json:"reason,omitempty"`
	// Pods (namespace/name) to nominate to the Node when it is opened.
	Pods []string `json:"pods,omitempty"`
}

// ColdReport is what a cold machine's Node tells the Standby whose race it was bought for: it is ready, or it has left
// without ever having been.
type ColdReport struct {
	Claim    string `json:"claim"`
	Instance string `json:"instance"`
	Ready    bool   `json:"ready,omitempty"`
}
