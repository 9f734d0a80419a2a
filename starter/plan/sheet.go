package plan

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// sheet is a CSV file whose columns are known by the names in its first line, in any order.
type sheet struct {
	file    string
	columns map[string]int
	rows    [][]string
	lines   []int // of each row, in the file
	errs    []error
}

// maxMistakes of one file are told; a file of another kind has one in every line.
const maxMistakes = 20

// readSheet reads a whole file, which must have the named columns.
func readSheet(f File, want ...string) (*sheet, error) {
	s := &sheet{file: f.Name, columns: map[string]int{}}
	reader := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(f.Data, []byte("\ufeff"))))
	reader.TrimLeadingSpace = true
	heading, err := reader.Read()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: empty: want a first line with the columns %s", f.Name, strings.Join(want, ","))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	for i, name := range heading {
		s.columns[strings.TrimSpace(name)] = i
	}
	var missing []string
	for _, name := range want {
		if _, ok := s.columns[name]; !ok {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%s: line 1: no column %s among %s: want %s", f.Name,
			strings.Join(missing, ", "), strings.Join(heading, ","), strings.Join(want, ","))
	}
	for {
		row, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		line, _ := reader.FieldPos(0)
		s.rows, s.lines = append(s.rows, row), append(s.lines, line)
	}
}

// has reports whether the file has a column.
func (s *sheet) has(column string) bool {
	_, ok := s.columns[column]
	return ok
}

// text of a row's column; empty where there is no such column.
func (s *sheet) text(row int, column string) string {
	i, ok := s.columns[column]
	if !ok {
		return ""
	}
	return strings.TrimSpace(s.rows[row][i])
}

// wrong notes a mistake in a field.
func (s *sheet) wrong(row int, column, want string) {
	s.errs = append(s.errs, fmt.Errorf("%s: line %d: %s: %q, want %s", s.file, s.lines[row], column, s.text(row, column), want))
}

// whole is a whole number of at least least.
func (s *sheet) whole(row int, column string, least int64, what string) int64 {
	n, err := strconv.ParseInt(s.text(row, column), 10, 64)
	if err != nil || n < least {
		s.wrong(row, column, fmt.Sprintf("%s, a whole number of at least %d", what, least))
		return least
	}
	return n
}

// flag is true or false; false where there is no such column.
func (s *sheet) flag(row int, column string) bool {
	if !s.has(column) {
		return false
	}
	b, err := strconv.ParseBool(s.text(row, column))
	if err != nil {
		s.wrong(row, column, "true or false")
	}
	return b
}

// usd is a price above zero.
func (s *sheet) usd(row int, column string) float64 {
	p, err := strconv.ParseFloat(s.text(row, column), 64)
	if err != nil || !(p > 0 && p < 1e6) {
		s.wrong(row, column, "US dollars an hour, such as 0.096")
	}
	return p
}

// oneOf is one of the words.
func (s *sheet) oneOf(row int, column string, words ...string) string {
	text := s.text(row, column)
	if !slices.Contains(words, text) {
		s.wrong(row, column, strings.Join(words, " or "))
	}
	return text
}

// err is all mistakes, or the first of them and how many there are.
func (s *sheet) err() error { return mistakes(s.file, s.errs) }

func mistakes(file string, errs []error) error {
	if more := len(errs) - maxMistakes; more > 0 {
		errs = append(slices.Clone(errs[:maxMistakes]), fmt.Errorf("%s: and %d mistakes more", file, more))
	}
	return errors.Join(errs...)
}
