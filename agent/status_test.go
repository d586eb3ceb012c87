package agent

import (
	"bytes"
	"reflect"
	"testing"
	"time"
)

// TestChangeOfAnyFieldOfTheStatusIsNews: a field that is not compared would stand
// for hours as it was, for everybody who watches.
func TestChangeOfAnyFieldOfTheStatusIsNews(t *testing.T) {
	for field := range reflect.TypeFor[Status]().Fields() {
		var s Status
		value := reflect.ValueOf(&s).Elem().FieldByIndex(field.Index)
		alter(t, value)
		if s.equal(Status{}) || (Status{}).equal(s) {
			t.Errorf("a change of %s would never be told", field.Name)
		}
		if !s.equal(s) {
			t.Errorf("%s is news though it is the same", field.Name)
		}
		if value.Kind() != reflect.Pointer {
			continue
		}
		copied := s
		other := reflect.New(value.Type().Elem())
		other.Elem().Set(value.Elem())
		reflect.ValueOf(&copied).Elem().FieldByIndex(field.Index).Set(other)
		if !s.equal(copied) {
			t.Errorf("%s is news wherever it is kept: each tick would be told", field.Name)
		}
		other.Elem().Set(reflect.Zero(value.Type().Elem()))
		if s.equal(copied) {
			t.Errorf("a change within %s would never be told", field.Name)
		}
	}
}

// TestStatusesThatAreEqualAreToldInTheSameWords: the words of the last are kept for
// the next that is equal.
func TestStatusesThatAreEqualAreToldInTheSameWords(t *testing.T) {
	moment := time.Date(2026, 5, 23, 9, 41, 0, 0, time.UTC)
	elsewhere := moment.In(time.FixedZone("", 3600))
	for _, pair := range [][2]Status{
		{{LinkedSince: &moment}, {LinkedSince: &elsewhere}},
		{{Inbox: []string{}, Scopes: []string{}}, {}},
	} {
		if same := bytes.Equal(line(pair[0]), line(pair[1])); pair[0].equal(pair[1]) && !same {
			t.Errorf("%s and %s count as equal", line(pair[0]), line(pair[1]))
		}
	}
}

// alter makes value another than the zero of its type.
func alter(t *testing.T, value reflect.Value) {
	t.Helper()
	kind := value.Kind()
	if value.Type() == reflect.TypeFor[time.Time]() {
		value.Set(reflect.ValueOf(time.Unix(1, 0)))
		return
	}
	if kind == reflect.Pointer {
		value.Set(reflect.New(value.Type().Elem()))
		alter(t, value.Elem())
		return
	}
	if kind == reflect.Slice {
		value.Set(reflect.MakeSlice(value.Type(), 1, 1))
		return
	}
	if kind == reflect.Struct {
		alter(t, value.Field(0))
		return
	}
	if kind == reflect.Bool {
		value.SetBool(true)
		return
	}
	value.Set(reflect.ValueOf(1).Convert(value.Type())) // a number or, of one letter, a text
}
