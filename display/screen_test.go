package display

import (
	"reflect"
	"testing"
)

func TestScreenThatDiffersInAnyFieldIsDrawn(t *testing.T) {
	for field := range reflect.TypeFor[Screen]().Fields() {
		var s Screen
		value := reflect.ValueOf(&s).Elem().FieldByIndex(field.Index)
		change(value)
		if s.Equal(Screen{}) || (Screen{}).Equal(s) {
			t.Errorf("a change of %s would never be seen", field.Name)
		}
	}
	if !(Screen{Payloads: []Payload{}, Lines: []string{}}).Equal(Screen{}) {
		t.Error("no lines and an empty list of them are drawn anew, though they look the same")
	}
}

// change makes value another than the zero of its type.
func change(value reflect.Value) {
	if value.Kind() == reflect.Slice {
		value.Set(reflect.MakeSlice(value.Type(), 1, 1))
		return
	}
	if value.Kind() == reflect.Struct {
		change(value.Field(0))
		return
	}
	if value.Kind() == reflect.Bool {
		value.SetBool(true)
		return
	}
	value.Set(reflect.ValueOf(1).Convert(value.Type())) // a Kind or, of one letter, a text
}
