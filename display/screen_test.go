package display

import (
	"reflect"
	"testing"
)

func TestScreenThatDiffersInAnyFieldIsDrawn(t *testing.T) {
	for field := range reflect.TypeFor[Screen]().Fields() {
		var s Screen
		value := reflect.ValueOf(&s).Elem().FieldByIndex(field.Index)
		switch kind := value.Kind(); {
		case kind == reflect.Slice:
			value.Set(reflect.MakeSlice(value.Type(), 1, 1))
		case kind == reflect.Struct:
			value.Field(0).SetString("a word")
		case kind == reflect.Bool:
			value.SetBool(true)
		default:
			value.Set(reflect.ValueOf(1).Convert(value.Type())) // a Kind or, of one letter, a text
		}
		if s.Equal(Screen{}) || (Screen{}).Equal(s) {
			t.Errorf("a change of %s would never be seen", field.Name)
		}
	}
	if !(Screen{Payloads: []Payload{}, Lines: []string{}}).Equal(Screen{}) {
		t.Error("no lines and an empty list of them are drawn anew, though they look the same")
	}
}
